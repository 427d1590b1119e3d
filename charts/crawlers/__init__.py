"""What fills the warehouse."""
