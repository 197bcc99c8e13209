"""Work handed to other processes over Redis; what is lost there is simply asked again."""
