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

-- Releases. "number" counts those of a delivery; "definition" is cloud::releases::Definition as JSON: as it was asked for,
-- and, once the revision is there, as that has it.
create table if not exists releases (
    id text primary key, delivery text not null, number integer not null, pipeline text not null, top text not null,
    folder text not null, revision text not null, summary text not null, status text not null, trigger text not null,
    started integer not null, updated integer not null, stop_requested integer not null default 0,
    definition text not null, process text, unique (delivery, number)
) strict;
create index if not exists releases_by_status on releases (status);
-- "child" is the process that does the step's work, as long as it does, as releases/child.rs writes it.
create table if not exists release_steps (
    release text not null, seq integer not null, stage text not null, name text not null, kind text not null, env text,
    command text, status text not null, attempts integer not null default 0, started integer, updated integer,
    summary text, token text, child text, primary key (release, seq)
) strict;
