-- Actions: what was asked of a thing (an instance; an image, a volume later), by whom, how far it is and what became of
-- it. Written in the transaction of the verb, settled from what hosts report.

CREATE TABLE action (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project ON DELETE CASCADE,
    noun        text NOT NULL,
    object_id   uuid NOT NULL,
    -- The generation of the thing with this action; the number by which its host knows it, where a host carries it out.
    -- Two actions between which nothing changed have the same.
    number      bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('create', 'start', 'stop', 'reboot', 'attach_interface', 'detach_interface', 'delete')),
    arguments   jsonb NOT NULL DEFAULT '{}',
    -- Who asked: {"kind", "id", "name"}; null: the system itself.
    actor       jsonb,
    request_id  text,
    phase       text,
    progress    smallint CHECK (progress BETWEEN 0 AND 100),
    -- Null while it is under way. superseded: something else was asked for before it was done.
    outcome     text CHECK (outcome IN ('done', 'failed', 'superseded')),
    code        text,
    message     text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    CONSTRAINT action_finished CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    CONSTRAINT action_failed CHECK (code IS NULL OR outcome = 'failed')
) WITH (fillfactor = 80);
CREATE INDEX action_by_object ON action (noun, object_id, id);
CREATE INDEX action_open ON action (object_id) WHERE outcome IS NULL;

SELECT part_register('action', visible => 'project_id = bound_project()', may => 'SELECT, INSERT, UPDATE');
