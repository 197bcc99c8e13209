"""The gateway: requests over REST. This version has none of it yet."""
