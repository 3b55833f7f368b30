"""SIPp and RTP from the internet side of the local cloud."""
