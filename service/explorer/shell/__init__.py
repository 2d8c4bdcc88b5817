"""What all pages share: their frame, style, scripts and files."""
