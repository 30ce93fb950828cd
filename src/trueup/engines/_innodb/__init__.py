"""The code that MySQL and MariaDB share."""
