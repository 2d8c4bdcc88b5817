"""Who may use the server: token, host names, origins."""
