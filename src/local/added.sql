-- Tables that a state from before them gets when it is opened: see schema.sql for the rest.

-- What roles started, by the token of that effect: tried again, it is not started twice.
create table if not exists start_tokens (token text primary key, run text not null) strict;
create index if not exists start_tokens_by_run on start_tokens (run);

-- Crawlers. "position" is the newest object's seq that a crawl has seen.
create table if not exists crawls (
    id text primary key, crawler text not null, state text not null, trigger text not null, started integer not null,
    ended integer, tables_created integer, tables_updated integer, partitions_created integer, error text,
    position integer, process text
) strict;
create index if not exists crawls_by_crawler on crawls (crawler, started);
-- The tables that crawlers made: "resource" is cloud::resources::Resource as JSON.
create table if not exists crawled_tables (
    database text not null, tbl text not null, crawler text not null, stack text not null, resource text not null,
    updated integer not null, primary key (database, tbl)
) strict;
