retention_days = 30
alert_email    = "orders-dev@example.com"
