"""A versioned skill bank for language agents on Postgres and pgvector."""
