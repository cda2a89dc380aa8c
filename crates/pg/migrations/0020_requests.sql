-- What request ids made: no personal data, only a keyed hash and ids (3-architecture, Contracts).
CREATE TABLE requests (
    tenant_id    text  NOT NULL,
    method       text  NOT NULL,
    request_id   text  NOT NULL,
    day          date  NOT NULL,
    request_hash bytea NOT NULL,
    resources    text[] NOT NULL,
    PRIMARY KEY (tenant_id, method, request_id, day)
) PARTITION BY RANGE (day);
COMMENT ON TABLE requests IS 'request ids of the last 7 days; daily partitions, dropped as they age';
COMMENT ON COLUMN requests.tenant_id IS 'whose request';
COMMENT ON COLUMN requests.method IS 'the RPC, such as RecordOrder';
COMMENT ON COLUMN requests.request_id IS 'as the caller chose it';
COMMENT ON COLUMN requests.day IS 'UTC day it was first seen (real clock)';
COMMENT ON COLUMN requests.request_hash IS 'HMAC-SHA256 of the request under the secret of this schema';
COMMENT ON COLUMN requests.resources IS 'ids of what was made';

CREATE TABLE secrets (
    name  text  NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);
COMMENT ON TABLE secrets IS 'random keys of this schema; made once, never leave it';
COMMENT ON COLUMN secrets.name IS 'what it is for';
COMMENT ON COLUMN secrets.value IS 'the key';
