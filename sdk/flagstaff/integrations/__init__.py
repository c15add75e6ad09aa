"""flagstaff inside what other people have built: each module imports its framework, and no other does."""
