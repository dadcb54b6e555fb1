"""The hosted payment page: reads rows and shows them; pages work without JavaScript and come alive with it."""
