"""The API's description of itself (OpenAPI 3.1), made from the contract's structs and the error catalogue."""
