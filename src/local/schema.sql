-- The embedded cloud's state. Times are milliseconds since 1970-01-01 UTC on the cloud's own clock.
-- "process" columns hold the id of the process that is at work on a row; see process.rs for how its death is noticed.

create table meta (key text primary key, value text not null) strict;

-- Stacks. What a resource is configured to be stands in stack_resources.properties; the tables further down hold what
-- it has come to hold since.
create table stacks (
    name text primary key, pipeline text, env text, status text not null, reason text,
    created integer not null, updated integer not null,
    graph text,             -- what was applied last, as JSON
    process text
) strict;
create table stack_resources (
    stack text not null, logical_id text not null, name text not null, physical_name text not null,
    kind text not null,     -- the serde tag of cloud::resources::Properties: 'bucket', 'log_group'
    status text not null, updated integer not null, created integer not null,
    resource text not null, -- cloud::resources::Resource as JSON
    primary key (stack, logical_id)
) strict;
create unique index stack_resources_by_name on stack_resources (kind, physical_name);
create table stack_events (
    id integer primary key autoincrement, time integer not null, stack text not null, logical_id text not null,
    kind text not null, status text not null, reason text, done integer not null, total integer not null
) strict;
create index stack_events_by_stack on stack_events (stack, id);
create table operations (
    id text primary key, stack text not null, kind text not null, who text not null, started integer not null,
    ended integer, status text not null, changes integer not null, reason text, process text
) strict;

-- Objects: a row is the object; the file that "blob" names holds its content and is written before the row.
create table objects (
    seq integer primary key autoincrement, bucket text not null, key text not null, version text not null,
    blob text, size integer not null, etag text not null, modified integer not null, content_type text,
    latest integer not null, delete_marker integer not null default 0
) strict;
create index objects_by_key on objects (bucket, key, seq);
create unique index objects_latest on objects (bucket, key) where latest = 1;
-- What each bucket holds now, so that nobody has to count.
create table bucket_usage (bucket text primary key, objects integer not null, bytes integer not null) strict;
create trigger objects_added after insert on objects when new.latest = 1 and new.delete_marker = 0 begin
    insert into bucket_usage values (new.bucket, 1, new.size)
        on conflict (bucket) do update set objects = objects + 1, bytes = bytes + excluded.bytes;
end;
create trigger objects_removed after delete on objects when old.latest = 1 and old.delete_marker = 0 begin
    update bucket_usage set objects = objects - 1, bytes = bytes - old.size where bucket = old.bucket;
end;
create trigger objects_changed after update of latest on objects when old.delete_marker = 0 begin
    update bucket_usage set objects = objects + new.latest - old.latest,
        bytes = bytes + (new.latest - old.latest) * old.size where bucket = old.bucket;
end;
-- Files that no row names any more, and since when (on the wall clock): one that reads may still have them open.
create table garbage (blob text primary key, since integer not null) strict;

-- Streams. A token names one record of one invocation: put again, it is not stored twice.
create table records (
    seq integer primary key autoincrement, stream text not null, partition_key text not null, arrived integer not null,
    data blob not null, token text
) strict;
create index records_by_stream on records (stream, seq);
create unique index records_by_token on records (stream, token) where token is not null;
-- Tokens of records that are past their retention, and since when (on the wall clock).
create table spent_tokens (stream text not null, token text not null, since integer not null,
    primary key (stream, token)) strict, without rowid;
-- "position" is the last delivered record's seq.
create table deliveries (name text primary key, position integer not null default 0,
    delivered integer not null default 0) strict;

-- Queues. "pending" names the invocation that a message was given to: while that waits or is at work, nobody else gets
-- the message; where it has ended without the message's end, the message is seen again at "visible". "origin" is the queue that a dead letter comes from, and
-- "moves" counts how often it went to another queue.
create table queue_messages (
    id integer primary key autoincrement, queue text not null, message_id text not null, body text not null,
    sent integer not null, visible integer not null, receives integer not null default 0, first_received integer,
    origin text, moves integer not null default 0, pending integer, error text
) strict;
create index queue_messages_by_queue on queue_messages (queue, visible, id);
create index queue_messages_by_pending on queue_messages (pending) where pending is not null;
-- A token names one message of one invocation: sent again, it is not stored twice, also when it is gone already. Since
-- when on the wall clock.
create table queue_tokens (queue text not null, token text not null, since integer not null,
    primary key (queue, token)) strict, without rowid;
create table queue_totals (queue text primary key, sent integer not null) strict;

-- What waits to be done: an asynchronous invocation. "queue" is the one whose messages its event holds: then, it is not
-- tried again by itself.
create table pending (
    id integer primary key autoincrement, function text not null, event text not null, request_id text not null,
    attempts integer not null default 0, not_before integer not null, created integer not null, process text, queue text
) strict;
create table invocations (
    id integer primary key autoincrement, request_id text not null, function text not null, started integer not null,
    duration_ms integer not null, error text, records_in integer not null, records_out integer not null
) strict;
create index invocations_by_function on invocations (function, started);
create index invocations_by_request on invocations (request_id);
-- What a list of functions shows, kept as invocations end; "since" is when the function was made.
create table function_totals (
    function text primary key, since integer not null, invocations integer not null default 0,
    errors integer not null default 0, records_in integer not null default 0, records_out integer not null default 0,
    last_invoked integer, last_error text
) strict;
create table schedules (name text primary key, next_fire integer not null) strict;
create table source_steps (function text not null, source text not null, step integer not null,
    primary key (function, source)) strict;

-- Jobs.
create table job_runs (
    id text primary key, job text not null, state text not null, trigger text not null, started integer not null,
    ended integer, rows_in integer, rows_out integer, files_in integer, bytes_in integer, error text,
    log_stream text not null, stop_requested integer not null default 0, process text
) strict;
create index job_runs_by_job on job_runs (job, started);
create table bookmarks (job text primary key, position integer not null, run text, updated integer) strict;

-- The catalog: tables come from stacks and crawlers, partitions from job runs and crawls.
create table partitions (
    database text not null, tbl text not null, vals text not null, location text not null, created integer not null,
    primary key (database, tbl, vals)
) strict;

-- Logs. Written by logs::append alone, which keeps a group's counts.
create table log_groups (
    id integer primary key, name text not null unique, events integer not null default 0,
    bytes integer not null default 0
) strict;
create table log_streams (id integer primary key, grp integer not null, name text not null, unique (grp, name)) strict;
create table log_events (
    id integer primary key autoincrement, grp integer not null, stream integer not null, ts integer not null,
    message text not null
) strict;
create index log_events_by_time on log_events (grp, ts, id);
create index log_events_by_stream on log_events (stream, id);

-- Alerts.
create table messages (
    id integer primary key autoincrement, topic text not null, time integer not null, subject text,
    message text not null, attributes text not null, token text
) strict;
create index messages_by_topic on messages (topic, id);
create unique index messages_by_token on messages (topic, token) where token is not null;
create table thresholds (name text primary key, value real not null) strict;
create table metrics (id integer primary key autoincrement, metric text not null, time integer not null,
    value real not null, token text) strict;
create index metrics_by_name on metrics (metric, time);
create unique index metrics_by_token on metrics (metric, token) where token is not null;
create table alarms (name text primary key, state text not null, since integer) strict;

-- Queries.
create table queries (
    id text primary key, sql text not null, database text, state text not null, started integer not null,
    elapsed_ms integer, scanned_bytes integer, rows integer, error text, cancel_requested integer not null default 0,
    process text
) strict;
create index queries_by_time on queries (started);

-- The rest.
create table secrets (name text primary key, value text not null, changed integer not null) strict;
create table api_keys (name text primary key, key text not null) strict;
create table api_usage (name text primary key, period_start integer not null, used integer not null) strict;
create table runs (
    id text primary key, stack text not null, scope text not null, inputs text not null, status text not null,
    started integer not null, ended integer, stages text not null, process text
) strict;
create index runs_by_stack on runs (stack, started);
create table items (tbl text not null, hash text not null, range text not null, item text not null,
    primary key (tbl, hash, range)) strict;
