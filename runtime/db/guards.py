"""What the database itself refuses, whoever writes: made from `schemas.lifecycle`, installed by the migrations.

Jobs: only edges of the table, the version raised by exactly one with every move and by none otherwise, final rows
frozen, no row deleted before its batch is finished; its batch and its document are there, and stay. Audit events:
append-only.
"""

from __future__ import annotations

from schemas.lifecycle import EDGES, FINAL, JobState

STATES = ", ".join(f"'{state.value}'" for state in JobState)

_EDGES = ", ".join(f"'{a.value}>{b.value}'" for a in JobState for b in JobState if b in EDGES[a])
_FINAL = ", ".join(f"'{state.value}'" for state in JobState if state in FINAL)

JOBS_GUARD = f"""
create or replace function jobs_guard() returns trigger language plpgsql as $$
begin
  if old.state in ({_FINAL}) then
    raise exception 'job % is final (%) and never changes', old.id, old.state using errcode = 'check_violation';
  end if;
  if new.version = old.version then
    if new.state <> old.state or new.audit_head <> old.audit_head then
      raise exception 'job % changed its state without a new version', old.id using errcode = 'check_violation';
    end if;
  elsif new.version <> old.version + 1 or (old.state || '>' || new.state) not in ({_EDGES}) then
    raise exception 'job % cannot go from % v% to % v%', old.id, old.state, old.version, new.state, new.version
      using errcode = 'check_violation';
  end if;
  return new;
end $$;
create or replace trigger jobs_guard before update on jobs for each row execute function jobs_guard();
alter table jobs drop constraint if exists jobs_state;
alter table jobs add constraint jobs_state check (state in ({STATES}));
"""

JOBS_DELETE_GUARD = """
create or replace function jobs_delete_guard() returns trigger language plpgsql as $$
begin
  if exists (select 1 from batches b where b.id = old.batch_id and b.finished_at is null) then
    raise exception 'job % is not deleted: its batch is not finished', old.id using errcode = 'check_violation';
  end if;
  return old;
end $$;
create or replace trigger jobs_delete_guard before delete on jobs for each row execute function jobs_delete_guard();
"""

REFERENCES = """
create or replace function jobs_references() returns trigger language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if exists (select 1 from new_jobs n where not exists (
      select 1 from documents d where d.tenant_id = n.tenant_id and d.digest = n.document_digest)) then
    raise exception 'a job names a document that is not there' using errcode = 'foreign_key_violation';
  end if;
  if exists (select 1 from (select distinct batch_id from new_jobs) n where not exists (
      select 1 from batches b where b.id = n.batch_id)) then
    raise exception 'a job names a batch that is not there' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create or replace trigger jobs_references after insert on jobs referencing new table as new_jobs
  for each statement execute function jobs_references();

create or replace function jobs_fixed() returns trigger language plpgsql as $$
begin
  if (new.tenant_id, new.batch_id, new.document_digest) is distinct from
     (old.tenant_id, old.batch_id, old.document_digest) then
    raise exception 'job % keeps its tenant, batch and document', old.id using errcode = 'check_violation';
  end if;
  return new;
end $$;
create or replace trigger jobs_fixed before update of tenant_id, batch_id, document_digest on jobs
  for each row execute function jobs_fixed();

create or replace function documents_referenced() returns trigger language plpgsql as $$
begin
  lock table jobs in share row exclusive mode;
  if exists (select 1 from jobs j where j.tenant_id = old.tenant_id and j.document_digest = old.digest) then
    raise exception 'a job names this document' using errcode = 'foreign_key_violation';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;
create or replace trigger documents_referenced before delete or update of tenant_id, digest on documents
  for each row execute function documents_referenced();

create or replace function batches_referenced() returns trigger language plpgsql as $$
begin
  lock table jobs in share row exclusive mode;
  if exists (select 1 from jobs j where j.batch_id = old.id) then
    raise exception 'a job names this batch' using errcode = 'foreign_key_violation';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end $$;
create or replace trigger batches_referenced before delete or update of id on batches
  for each row execute function batches_referenced();

create or replace function referenced_by_jobs() returns trigger language plpgsql as $$
begin
  lock table jobs in share row exclusive mode;
  if exists (select 1 from jobs) then
    raise exception 'jobs name what is in this table' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create or replace trigger documents_truncated before truncate on documents
  for each statement execute function referenced_by_jobs();
create or replace trigger batches_truncated before truncate on batches
  for each statement execute function referenced_by_jobs();
"""
"""In the place of two foreign keys, which look, and lock, row by row: a million jobs took twice the time.

Whoever inserts a job holds ROW EXCLUSIVE on the table before it looks. Whoever takes a document or a batch away waits
for all such transactions, and keeps new ones waiting, before it looks. So one of the two sees what the other did.
"""

AUDIT_GUARD = """
create or replace function audit_guard() returns trigger language plpgsql as $$
begin
  raise exception 'audit events are never changed or removed' using errcode = 'check_violation';
end $$;
create or replace trigger audit_guard before update or delete on audit_events
  for each row execute function audit_guard();
create or replace trigger audit_guard_truncate before truncate on audit_events
  for each statement execute function audit_guard();
"""

INSTALL = JOBS_GUARD + JOBS_DELETE_GUARD + REFERENCES + AUDIT_GUARD
