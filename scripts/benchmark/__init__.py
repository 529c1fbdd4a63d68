"""What the daemon costs, measured beside other FTP servers."""
