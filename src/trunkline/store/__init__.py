"""The only package that knows SQL: connections, named statements, and typed functions over them."""
