-- What Redshift's catalogs answer and PostgreSQL's do not have, as far as dmengine asks.
set allow_system_table_mods = on;
create domain pg_catalog.super as text;
create domain pg_catalog.geometry as text;
create domain pg_catalog.hllsketch as text;
create domain pg_catalog.varbyte as bytea;

create schema rs;
create table rs.external_schemas (schemaname text, eskind int, databasename text);
create table rs.external_tables (schemaname text, tablename text);
create view pg_catalog.svv_external_schemas as select * from rs.external_schemas;
create view pg_catalog.svv_external_tables as select * from rs.external_tables;
create view pg_catalog.svv_columns as
  select table_schema::text, table_name::text, column_name::text, ordinal_position::int,
    case when is_identity = 'YES' and identity_generation = 'ALWAYS' then '"identity"(100123, 0, ''1,1''::text)'
         when is_identity = 'YES' then 'default_identity(100123, 0, ''1,1''::text)'
         else column_default end as column_default,
    coalesce(domain_name, data_type)::text as data_type
  from information_schema.columns;
grant select on pg_catalog.svv_external_schemas, pg_catalog.svv_external_tables, pg_catalog.svv_columns to public;
grant usage on schema rs to public;
grant select on all tables in schema rs to public;
revoke all on schema public from public;
grant usage, create on schema public to public;
