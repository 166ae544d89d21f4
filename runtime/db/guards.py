"""What the database itself refuses, whoever writes: made from `schemas.lifecycle`, installed by the migrations.

Jobs: only edges of the table, the version raised by exactly one with every move and by none otherwise, final rows
frozen, no row deleted before its batch is finished. Audit events: append-only.
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

INSTALL = JOBS_GUARD + JOBS_DELETE_GUARD + AUDIT_GUARD
