-- Images: what disks start from.

CREATE TABLE image (
    id                 uuid PRIMARY KEY,
    project_id         uuid NOT NULL REFERENCES project,
    name               text NOT NULL,
    description        text NOT NULL DEFAULT '',
    architecture       text NOT NULL,
    disk_format        text NOT NULL CHECK (disk_format IN ('qcow2', 'raw')),
    status             text NOT NULL CHECK (status IN ('queued', 'uploading', 'active')),
    size_bytes         bigint,
    virtual_size_bytes bigint,
    -- Of a queued image: what its maker says the bytes will be.
    sha256             text,
    -- Set while bytes arrive; an upload whose lease ran out was broken off and is taken back.
    upload_id          uuid,
    upload_lease       timestamptz,
    -- What the upload has reserved of the quota image_gib before its bytes are written. It counts while the lease
    -- lasts: an API that dies gives it back by the lease's end.
    reserved_gib       bigint NOT NULL DEFAULT 0 CHECK (reserved_gib >= 0),
    labels             jsonb NOT NULL DEFAULT '{}',
    generation         bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    CHECK (status <> 'active' OR (size_bytes IS NOT NULL AND virtual_size_bytes IS NOT NULL AND sha256 IS NOT NULL)),
    CHECK ((status = 'uploading') = (upload_id IS NOT NULL))
);
CREATE INDEX image_by_project ON image (project_id, id);

SELECT noun_register('image', 'image', owner => 'project', quota => 'images', purge_rank => 50,
    fields => 'name description architecture disk_format status size_bytes virtual_size_bytes sha256 labels generation');
INSERT INTO quota_kind (name, counting) VALUES
    ('image_gib', 'SELECT coalesce(sum(CASE WHEN status = ''uploading'' THEN CASE WHEN upload_lease > now() THEN reserved_gib ELSE 0 END
        ELSE ceil(size_bytes / 1073741824.0) END), 0)::bigint FROM image WHERE project_id = ANY ($1)');
