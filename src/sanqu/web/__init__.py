"""The assembled web application: every room's pages and interfaces under one roof."""
