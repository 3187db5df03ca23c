"""What server and client say to each other: `.proto` files, and code that was made of them."""
