"""Events of batches for webhooks, written by the database itself in the transaction that makes them true.

Triggers, so that no writer can end a batch without its event, and a transaction that is rolled back tells nobody. Jobs
have one writer and many moves: their events are written by `stores.jobs.move`, a group at a time. Where no endpoint of
the tenant wants the type, one look at a small table is all. An event says who and what became of it; no name, no text.
"""

from __future__ import annotations

_WANTED = """exists (select 1 from webhook_endpoints e
    where e.tenant_id = new.tenant_id and e.disabled_at is null and kind = any(e.events))"""

TELL = """
create or replace function webhooks_tell(of_tenant text, kind text, body jsonb, named text)
returns void language sql as $$
  with wanted as (
    select e.id from webhook_endpoints e
    where e.tenant_id = of_tenant and e.disabled_at is null and kind = any(e.events)
      and (e.is_tenant_wide or e.id = named)
  ), made as (
    insert into webhook_events (id, tenant_id, type, data)
    select 'evt_' || replace(gen_random_uuid()::text, '-', ''), of_tenant, kind, body
    where exists (select 1 from wanted) returning id
  )
  insert into webhook_deliveries (tenant_id, event_id, endpoint_id)
  select of_tenant, made.id, wanted.id from made cross join wanted
$$;
"""

BATCHES = f"""
create or replace function batches_tell() returns trigger language plpgsql as $$
declare kind text;
begin
  foreach kind in array array_remove(array[
    case when old.cancelled_at is null and new.cancelled_at is not null then 'review.cancelled' end,
    case when old.finished_at is null and new.finished_at is not null then 'review.finished' end], null)
  loop
    if {_WANTED} then
      perform webhooks_tell(new.tenant_id, kind,
        jsonb_build_object('id', new.id, 'state', split_part(kind, '.', 2)), new.webhook_endpoint);
    end if;
  end loop;
  return null;
end $$;
create or replace trigger batches_tell after update on batches for each row
  when ((old.cancelled_at is null and new.cancelled_at is not null)
    or (old.finished_at is null and new.finished_at is not null)) execute function batches_tell();
"""

API_BATCHES = f"""
create or replace function api_batches_tell() returns trigger language plpgsql as $$
declare kind text := 'batch.' || new."end";
begin
  if {_WANTED} then
    perform webhooks_tell(new.tenant_id, kind, jsonb_build_object('id', new.id),
      new.call_metadata->>'classyard_webhook');
  end if;
  return null;
end $$;
create or replace trigger api_batches_tell after update on api_batches for each row
  when (old.ended_at is null and new.ended_at is not null) execute function api_batches_tell();
"""

INSTALL = TELL + BATCHES + API_BATCHES
