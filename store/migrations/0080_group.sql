-- Groups of users, which hold roles for all their members.

CREATE TABLE account_group (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    labels          jsonb NOT NULL DEFAULT '{}',
    generation      bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);
SELECT noun_register('account_group', 'group', owner => 'organization', purge_rank => 30,
    fields => 'organization_id name description labels generation');

CREATE TABLE account_group_member (
    group_id   uuid NOT NULL REFERENCES account_group ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (account_id, group_id)
);
CREATE INDEX account_group_member_by_group ON account_group_member (group_id);

SELECT part_register('account_group_member', may => 'SELECT, INSERT, DELETE');
ALTER TABLE account_group_member ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON account_group_member TO iroko_tenant
    USING (EXISTS (SELECT FROM account_group g WHERE g.id = group_id))
    WITH CHECK (EXISTS (SELECT FROM account_group g WHERE g.id = group_id) AND EXISTS (SELECT FROM account a WHERE a.id = account_id));
SELECT event_register('account_group_member', 'group_member', fields => 'group_id account_id=user_id', key => 'group_id');
