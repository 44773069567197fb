-- The store, schema 1.
--
-- Times are milliseconds since 1970 (UTC), durations are seconds. A column
-- named after a table (run, study, name) holds that table's key. The number of
-- the schema is in PRAGMA user_version.
--
-- Example: the last loss of every run of the newest study.
--
--   SELECT p.run, p.value, max(p.step) FROM points AS p
--   JOIN runs AS r ON r.id = p.run JOIN study_slots AS s ON s.run = r.key
--   WHERE p.metric = 'loss' AND s.study = (SELECT key FROM studies ORDER BY turn DESC LIMIT 1)
--   GROUP BY p.run;

-- A study as it was when somebody started it. The same file with other
-- overrides, or after a change of data or trainer, is another row.
CREATE TABLE studies (
  key     INTEGER PRIMARY KEY,
  name    TEXT    NOT NULL,        -- as the study names itself; not unique
  text    TEXT    NOT NULL,        -- the file, byte for byte
  sets    TEXT    NOT NULL,        -- overrides of the command line, a JSON list of "key=value"
  hash    TEXT    NOT NULL UNIQUE, -- SHA-256 of name, text, sets, cells and slots
  created INTEGER NOT NULL,        -- time it was first started
  started INTEGER NOT NULL,        -- time it was last started
  turn    INTEGER NOT NULL UNIQUE  -- rises with every start of any study; clocks may not
) STRICT;

-- The cells of a study, in the order of its file.
CREATE TABLE study_cells (
  study INTEGER NOT NULL REFERENCES studies,
  cell  INTEGER NOT NULL, -- position, from 0
  name  TEXT    NOT NULL, -- such as "bn" or "norm=none,predictor=false"
  PRIMARY KEY (study, cell)
) STRICT, WITHOUT ROWID;

-- Which run stands for which cell and seed of a study. A run can stand in
-- several places, of one study or of many.
CREATE TABLE study_slots (
  study INTEGER NOT NULL,
  cell  INTEGER NOT NULL,
  seed  INTEGER NOT NULL,
  run   INTEGER NOT NULL REFERENCES runs,
  PRIMARY KEY (study, cell, seed),
  FOREIGN KEY (study, cell) REFERENCES study_cells
) STRICT, WITHOUT ROWID;

-- A run: one configuration with one seed. Its progress is kept here too, so
-- that nobody has to go through attempts or metrics to see how a study stands.
CREATE TABLE runs (
  key      INTEGER PRIMARY KEY,
  id       TEXT    NOT NULL UNIQUE,      -- hash of configuration, seed, dataset and trainer
  cell     TEXT    NOT NULL,             -- name of the cell that first asked for it
  seed     INTEGER NOT NULL,
  dataset  TEXT    NOT NULL,             -- hash of the dataset's content
  trainer  TEXT    NOT NULL,             -- numeric version of the trainer
  attempts INTEGER NOT NULL DEFAULT 0,   -- number of the newest attempt, 0 before the first
  running  INTEGER NOT NULL DEFAULT 0 CHECK (running IN (0, 1)), -- whether that one is at work
  outcome  TEXT CHECK (outcome IN ('completed', 'collapsed', 'never_separated', 'diverged', 'failed', 'cancelled', 'timed_out')),
                                         -- how that one ended; NULL while it has not
  reason   TEXT    NOT NULL DEFAULT '',  -- why it failed, or how it collapsed
  step     INTEGER NOT NULL DEFAULT 0,   -- optimizer steps that it has done
  steps    INTEGER NOT NULL DEFAULT 0,   -- optimizer steps of the whole run, 0 until known
  images_per_second REAL NOT NULL DEFAULT 0, -- speed, as last reported
  phase    TEXT    NOT NULL DEFAULT '',  -- what it does: train, probe, evaluate
  active   INTEGER,                      -- time of its last sign of life, by the clock of its machine
  seconds  REAL    NOT NULL DEFAULT 0,   -- duration of all attempts, from each one's start line to its last sign of life
  CHECK (running = 0 OR outcome IS NULL)
) STRICT;

-- What each run computes. Apart from runs, whose rows are many, read often and
-- rewritten as the runs proceed.
CREATE TABLE run_configs (
  run    INTEGER PRIMARY KEY REFERENCES runs,
  config TEXT NOT NULL -- resolved configuration, JSON
) STRICT;

-- One try at a run. A newer attempt fences the older ones: they can no longer
-- end the run, and their points from its resume_step on do not count.
CREATE TABLE attempts (
  run         INTEGER NOT NULL REFERENCES runs,
  number      INTEGER NOT NULL CHECK (number > 0), -- 1, 2, ... within the run
  state       TEXT    NOT NULL CHECK (state IN ('running', 'interrupted', 'ended', 'fenced')),
  outcome     TEXT CHECK (outcome IN ('completed', 'collapsed', 'never_separated', 'diverged', 'failed', 'cancelled', 'timed_out')),
                                  -- how it ended; NULL unless state is 'ended'
  reason      TEXT    NOT NULL DEFAULT '', -- why it ended so
  started     INTEGER NOT NULL,   -- time of its start line, until then of its claim
  active      INTEGER,            -- time of its newest line that has one
  ended       INTEGER,            -- time it ended, was interrupted or was fenced
  resume_step INTEGER,            -- steps done when it took over; NULL until its start line is read
  version     TEXT,               -- version of the program, with commit and "+dirty"
  kernels     TEXT,               -- kernel set, such as "onednn 2.6.3" or "portable"
  cpu         TEXT,               -- processor and widest vector extension
  host        TEXT,
  pid         INTEGER,
  offset      INTEGER NOT NULL DEFAULT 0, -- bytes of its journal that are in this store
  next_seq    INTEGER NOT NULL DEFAULT 1, -- number of the journal line that begins there
  damage      TEXT,               -- what is wrong with the journal there; it is not read further
  PRIMARY KEY (run, number),
  CHECK ((state = 'ended') = (outcome IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Names of metrics, which points abbreviate by their key.
CREATE TABLE metric_names (
  key  INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The figures, nearly all of the file: no column and no index without need,
-- and no foreign keys, whose checks would halve the speed of writing. The
-- view points shows the same with names. Wall-clock figures are not here but
-- in runs.
CREATE TABLE metrics (
  run   INTEGER NOT NULL, -- runs.key
  name  INTEGER NOT NULL, -- metric_names.key
  step  INTEGER NOT NULL, -- optimizer steps done; 0 is the untrained network
  value REAL,             -- NULL is NaN; infinities are themselves
  PRIMARY KEY (run, name, step)
) STRICT, WITHOUT ROWID;

-- The figures, with ids and names in place of keys.
CREATE VIEW points (run, metric, step, value) AS
  SELECT runs.id, metric_names.name, metrics.step, metrics.value
  FROM metrics JOIN runs ON runs.key = metrics.run JOIN metric_names ON metric_names.key = metrics.name;

-- What was worth telling a person.
CREATE TABLE events (
  key     INTEGER PRIMARY KEY,
  run     INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  time    INTEGER NOT NULL,
  text    TEXT    NOT NULL,
  FOREIGN KEY (run, attempt) REFERENCES attempts
) STRICT;
CREATE INDEX events_of_run ON events (run);
