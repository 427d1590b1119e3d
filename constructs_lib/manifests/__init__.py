"""What rendered objects mean, whoever declared them. Plain Python: nothing here starts Node."""
