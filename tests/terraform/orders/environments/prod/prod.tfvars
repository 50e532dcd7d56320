retention_days = 400
shards         = 4
alert_email    = "orders@example.com"
