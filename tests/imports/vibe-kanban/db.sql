CREATE TABLE "projects" (
    id                BLOB PRIMARY KEY,
    name              TEXT NOT NULL,
    remote_project_id BLOB,
    created_at        TEXT NOT NULL DEFAULT (datetime('now', 'subsec')),
    updated_at        TEXT NOT NULL DEFAULT (datetime('now', 'subsec'))
, default_agent_working_dir TEXT DEFAULT '');
CREATE TABLE tasks (
    id          BLOB PRIMARY KEY,
    project_id  BLOB NOT NULL,
    title       TEXT NOT NULL,
    description TEXT,
    status      TEXT NOT NULL DEFAULT 'todo'
                   CHECK (status IN ('todo','inprogress','done','cancelled','inreview')),
    created_at  TEXT NOT NULL DEFAULT (datetime('now', 'subsec')),
    updated_at  TEXT NOT NULL DEFAULT (datetime('now', 'subsec')), parent_workspace_id BLOB REFERENCES "workspaces"(id),
    FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE
);
INSERT INTO projects (id, name, remote_project_id, created_at, updated_at, default_agent_working_dir) VALUES (X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Demo', NULL, '2026-11-29 23:34:11.237', '2026-11-29 23:34:11.237', '');
INSERT INTO tasks (id, project_id, title, description, status, created_at, updated_at, parent_workspace_id) VALUES (X'A1B2C3D4E5F60718293A4B5C6D7E8F90', X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Parse the header', 'Read the first line.', 'todo', '2026-01-05 10:00:00.000', '2026-11-29 23:34:11.237', NULL);
INSERT INTO tasks (id, project_id, title, description, status, created_at, updated_at, parent_workspace_id) VALUES (X'B1B2C3D4E5F60718293A4B5C6D7E8F91', X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Write the footer', NULL, 'inprogress', '2026-01-05 10:00:01.000', '2026-11-29 23:34:11.237', NULL);
INSERT INTO tasks (id, project_id, title, description, status, created_at, updated_at, parent_workspace_id) VALUES (X'C1B2C3D4E5F60718293A4B5C6D7E8F92', X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Check the header', NULL, 'inreview', '2026-01-05 10:00:02.000', '2026-11-29 23:34:11.237', NULL);
INSERT INTO tasks (id, project_id, title, description, status, created_at, updated_at, parent_workspace_id) VALUES (X'D1B2C3D4E5F60718293A4B5C6D7E8F93', X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Ship it', NULL, 'done', '2026-01-05 10:00:03.000', '2026-11-29 23:34:11.237', NULL);
INSERT INTO tasks (id, project_id, title, description, status, created_at, updated_at, parent_workspace_id) VALUES (X'E1B2C3D4E5F60718293A4B5C6D7E8F94', X'6F1A0C3E5B7D4E8F9A0B1C2D3E4F5061', 'Not wanted', NULL, 'cancelled', '2026-01-05 10:00:04.000', '2026-11-29 23:34:11.237', NULL);
