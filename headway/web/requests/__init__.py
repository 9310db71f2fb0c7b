"""What a request is: whence and from whom, in which language, within which limits."""
