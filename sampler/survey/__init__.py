"""What became of the boxes of many samples, without their pixels."""
