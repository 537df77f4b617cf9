"""Watch a running application and change it: its status, and rolling a bank."""
