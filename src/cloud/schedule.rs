//! Schedule expressions: `rate(...)` and `cron(...)` (Amazon EventBridge Scheduler).
