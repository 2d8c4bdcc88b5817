"""What the processes of a server and of a trainer hold in memory."""
