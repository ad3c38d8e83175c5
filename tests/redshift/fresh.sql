-- The database as a new cluster has it; making one anew for each test would take longer than the tests.
create or replace function pg_catalog.version() returns text language sql stable as $$
  select 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017, Redshift 1.0.436211'
$$;
truncate rs.external_schemas, rs.external_tables;
do $$
declare one text;
begin
  for one in select nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'rs')
  loop
    execute format('drop schema %I cascade', one);
  end loop;
end $$;
