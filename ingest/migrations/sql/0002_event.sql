-- The event table. (id, actor_key) is the primary key: `id` carries the client's time and a digest
-- of what makes the message the same message, so that sending it again changes nothing, for ever;
-- actor_key is the distribution key under Citus. No foreign key leads here, no sequence is used.
CREATE TABLE event (
    id uuid NOT NULL,
    actor_key uuid NOT NULL,
    org_id uuid NOT NULL,
    session_id uuid,
    dialect text NOT NULL,
    source_id uuid NOT NULL,
    kind text NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    context jsonb NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (id, actor_key)
) PARTITION BY RANGE (id);

-- The timeline of one identifier.
CREATE INDEX event_by_actor ON event (actor_key, id);
-- The changelist and /v1/events of one organization.
CREATE INDEX event_by_org ON event (org_id, id);

-- Odd times land here; months are added by `ingest.partitions`.
CREATE TABLE event_default PARTITION OF event DEFAULT;
