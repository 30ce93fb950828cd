"""What MySQL and MariaDB share."""
