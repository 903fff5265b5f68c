# PostgreSQL. What is read first, then ways to read or write past a grant. See README.md.

# a plain select reads its table
select id from raw.orders
=> select reads raw.orders

# an unqualified name belongs to the session's schema
select * from orders
=> select reads marts.orders

# names without quotes are folded, names with quotes are not
SELECT * FROM RAW.Orders JOIN "Stg"."Items" USING (id)
=> select reads Stg.Items, raw.orders

# a quoted name holds its dots and quotes
select * from raw."a.b""c"
=> select reads raw.a.b\"c

# a trailing semicolon is no second statement
select 1 from raw.a ;
=> select reads raw.a

# the database may stand before a name: the server knows no other than the session's own
select * from "shop"."raw"."orders" where shop.raw.orders.id = 1
=> select reads raw.orders

# a name in four parts is refused
select * from server.shop.raw.orders
=> refused CD0220

# the database before a schema hides nothing
select * from shop.pg_catalog.pg_authid
=> refused CD0233

# nor do fences
delete from shop.cofferdam.fence
=> refused CD0233

# a name longer than the server keeps is the table the server takes it for
select * from raw.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaAAA_and_more
=> select reads raw.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

# nor do quotes hide what it is cut to
drop table raw."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_and_more", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbc".orders
=> drop reads writes bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.orders, raw.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

# a name of WITH is cut as well, and hides what is cut to the same
with aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab as (select 1) select * from aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac
=> select reads

# a name that differs where the server looks is none of WITH
with aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab as (select 1) select * from aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc
=> select reads marts.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab

# how much of other letters is kept depends on the server's encoding: no relation has so long a name
select * from raw."éééééééééééééééééééééééééééééééé"
=> refused CD0220

# and none is hidden by one
with "ééééééééééééééééééééééééééééééééa" as (select 1) select * from "ééééééééééééééééééééééééééééééééb"
=> refused CD0220

# columns and other names may be as long as they like
select id as "éééééééééééééééééééééééééééééééééééééééé", n as column_column_column_column_column_column_column_column_column_column_column_column_ from raw.orders
=> select reads raw.orders

# letters outside ASCII need quotes
select * from raw.оrders
=> refused CD0220

# with quotes they are another relation
select * from raw."оrders"
=> select reads raw.оrders

# a zero-width blank is no blank
select * from​ raw.orders
=> refused CD0220

# a blank of another alphabet is no blank
select * from raw.orders
=> refused CD0220

# U& before a name hides it
select * from U&"\0072aw".secret
=> refused CD0220

# U& before a string is a string
select U&'\0061', U&'d!0061t' uescape '!' from raw.a
=> select reads raw.a

# which names no sequence
select nextval(U&'secret.ids')
=> refused CD0220

# a common table expression is no relation
with recent as (select * from raw.orders) select * from recent
=> select reads raw.orders

# without RECURSIVE its body does not see its own name
with orders as (select * from orders) select * from orders
=> select reads marts.orders

# with RECURSIVE it does
with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n
=> select reads

# a name given further on counts as a table
with a as (select * from b), b as (select 1) select * from a
=> select reads marts.b

# a qualified name is never a common table expression
with orders as (select 1) select * from raw.orders, orders
=> select reads raw.orders

# a common table expression ends with its query
select * from (with x as (select 1) select * from x) a, x
=> select reads marts.x

# a quoted expression of another case is another name
with "Recent" as (select 1) select * from recent
=> select reads marts.recent

# an expression that deletes makes the statement a delete
with gone as (delete from marts.orders where id = 1 returning *) select * from gone
=> delete reads writes marts.orders

# an expression that inserts is found among others
with a as (select * from raw.a), b as (insert into marts.b select * from a returning id) select count(*) from b
=> insert reads raw.a writes marts.b

# an expression that updates is found under an insert
with u as (update raw.a set x = 1 returning x) insert into marts.b select x from u
=> insert reads writes marts.b, raw.a

# an expression does not stand in for a target
with orders as (select * from raw.a) insert into orders select * from orders
=> insert reads raw.a writes marts.orders

# subqueries are found in the select list
select (select max(v) from raw.secret) from raw.orders
=> select reads raw.orders, raw.secret

# subqueries are found in WHERE, IN, EXISTS and ANY
select 1 from raw.a where x in (select x from raw.b) and exists (select 1 from raw.c) and y > (select 1 from raw.d) and z = any (select 1 from raw.e) and z <> all (select 1 from raw.f)
=> select reads raw.a, raw.b, raw.c, raw.d, raw.e, raw.f

# subqueries are found in ORDER BY, LIMIT and OFFSET
select 1 from raw.a order by (select v from raw.b) limit (select n from raw.c) offset (select n from raw.d)
=> select reads raw.a, raw.b, raw.c, raw.d

# subqueries are found in GROUP BY and HAVING
select 1 from raw.a group by y, (select g from raw.b), rollup (x, z) having count(*) > (select n from raw.c)
=> select reads raw.a, raw.b, raw.c

# subqueries are found in join conditions
select 1 from raw.a left join raw.b on a.x = (select x from raw.c)
=> select reads raw.a, raw.b, raw.c

# subqueries are found in CASE, casts, arrays and rows
select case when exists (select 1 from raw.a) then (select 1 from raw.b)::text end, array(select 1 from raw.c), array[(select 1 from raw.d)], (1, (select 1 from raw.e)) from raw.f
=> select reads raw.a, raw.b, raw.c, raw.d, raw.e, raw.f

# subqueries are found in windows, filters and ordered aggregates
select sum(x) filter (where y in (select y from raw.b)) over (partition by (select p from raw.c) order by (select o from raw.d)), string_agg(x, ',' order by (select 1 from raw.e)), percentile_cont(0.5) within group (order by (select 1 from raw.f)) from raw.a
=> select reads raw.a, raw.b, raw.c, raw.d, raw.e, raw.f

# subqueries are found in VALUES and DISTINCT ON
select distinct on ((select 1 from raw.b)) * from (values (1, (select v from raw.secret))) as t(a, b)
=> select reads raw.b, raw.secret

# LATERAL reads like any other
select * from raw.a, lateral (select * from raw.b where b.id = a.id) x left join lateral (select 1 from raw.c) y on true
=> select reads raw.a, raw.b, raw.c

# set operations read on every side
select 1 from raw.a union all (select 1 from raw.b except select 1 from raw.c) intersect select 1 from raw.d
=> select reads raw.a, raw.b, raw.c, raw.d

# nested joins are read
select 1 from (raw.a join (raw.b cross join raw.c) on true) natural join raw.d
=> select reads raw.a, raw.b, raw.c, raw.d

# comments change nothing
select /* from raw.x */ 1 -- from raw.y
from raw.a /* ; drop table raw.a */
=> select reads raw.a

# comments nest
select 1 from raw.a /* /* */ , raw.b */ , raw.c
=> select reads raw.a, raw.c

# a comment left open is refused
select 1 from raw.a /* /* */ , raw.b
=> refused CD0220

# an operator ends where a comment starts
select 1 -/* */1, 2 *-- 3
4 from raw.a
=> select reads raw.a

# a comment marked as a hint is a comment
select /*+ SeqScan(a) */ 1 from raw.a
=> select reads raw.a

# dollar quotes hold text
select $$ from raw.x; $$, $tag$ $$ ; drop table raw.a $tag$ from raw.a
=> select reads raw.a

# a dollar quote left open is refused
select $tag$ from raw.a
=> refused CD0220

# a dollar inside a name opens nothing
select a$$, b$$ from raw.a
=> select reads raw.a

# a string holds no statement
select '; drop table raw.a; --' from raw.b where x = 'it''s /*'
=> select reads raw.b

# a backslash before a quote could end the string or not
select '\' , (select 1 from raw.secret) , ' from raw.a
=> refused CD0220

# elsewhere it ends nothing under any setting
select '\d+' from raw.a where x ~ '^\w\\n$'
=> select reads raw.a

# an escape string is cut where it ends
select E'a\nb' from raw.a
=> select reads raw.a

# an escape string is cut behind its escapes
select E'it\'s', E'\\', E'\', (select 1 from raw.x), ' from raw.a
=> select reads raw.a

# and nowhere else
select E'\\', (select 1 from raw.b), ' from raw.x ' from raw.a
=> select reads raw.a, raw.b

# two statements are refused
select 1; select 2
=> refused CD0230

# no statement is refused
 ; ;
=> refused CD0230

# a second statement behind a comment is refused
select 1 from raw.a; /* */ drop table raw.a
=> refused CD0230

# a parameter is no relation
select * from raw.a where id = $1 and x = $2::int
=> select reads raw.a

# a parameter does not run into a name
select $1from raw.a
=> refused CD0220

# a number does not run into a name
select 1from raw.a
=> refused CD0220

# ordinary functions are called
select coalesce(lower(a), 'x'), date_trunc('month', b), jsonb_build_object('k', c), to_char(d, 'YYYY'), md5(e), generate_series(1, 3), count(*) filter (where f), row_number() over (order by g), regexp_replace(h, '\s', '', 'g'), split_part(i, ',', 1), extract(year from j), substring(k from 1 for 2), trim(both ' ' from l), m at time zone 'UTC', now(), current_date, left(n, 2), array_agg(o), make_date(2020, 1, 1), sha256('x'::bytea) from raw.a
=> select reads raw.a

# functions may be called by the catalog's name
select pg_catalog.lower(x) from raw.a
=> select reads raw.a

# and by no other schema's
select public.lower(x) from raw.a
=> refused CD0232

# JSON operators are read
select a -> 'b' ->> 'c', a #>> '{d,e}', a @> '{}'::jsonb, a ? 'k', a ?| array['x'] from raw.a
=> select reads raw.a

# an operator nobody listed is refused
select a <#> b from raw.a
=> refused CD0220

# distances and neighbours are read
select x <-> y, int4range(x, y) -|- int4range(1, 2), @ x from raw.a
=> select reads raw.a

# an operator of a schema is refused
select a operator(public.+) b from raw.a
=> refused CD0220

# functions in FROM give rows
select * from generate_series(1, 10) g, unnest(array[1, 2]) with ordinality u, jsonb_array_elements('[]'::jsonb) e, raw.a
=> select reads raw.a

# functions in FROM are held to the list
select * from pg_ls_dir('/etc') f
=> refused CD0232

# a function with column definitions is held to the list
select * from dblink('host=x', 'select 1') as t(a int)
=> refused CD0232

# columns of a function do not convert to the server's own types
select * from jsonb_to_record('{"a":"raw.secret"}') as t(a pg_node_tree)
=> refused CD0236

# a query in a string is refused
select query_to_xml('select * from raw.secret', true, true, '')
=> refused CD0232

# a table's name in a string is refused
select table_to_xml('raw.secret', true, true, '')
=> refused CD0232

# a schema's name in a string is refused
select schema_to_xml('raw', true, true, '')
=> refused CD0232

# ts_stat runs a query
select * from ts_stat('select v from raw.secret')
=> refused CD0232

# ts_rewrite runs a query
select ts_rewrite('a'::tsquery, 'select t, s from raw.secret')
=> refused CD0232

# dblink reaches another server
select dblink_exec('dbname=shop', 'drop table raw.a')
=> refused CD0232

# large objects are files and rows of nobody's table
select lo_import('/etc/passwd')
=> refused CD0232

# lo_get is refused
select lo_get(1)
=> refused CD0232

# server files are not read
select pg_read_file('/etc/passwd')
=> refused CD0232

# server files are not read under a quoted name
select "pg_read_binary_file"('/etc/passwd')
=> refused CD0232

# a session does not sleep
select pg_sleep(1000)
=> refused CD0232

# settings are not set by a function
select set_config('search_path', 'secret', false)
=> refused CD0232

# settings are not read by a function
select current_setting('data_directory')
=> refused CD0232

# locks are not taken by a function
select pg_advisory_lock(1)
=> refused CD0232

# other sessions are not ended
select pg_terminate_backend(1)
=> refused CD0232

# nobody is notified
select pg_notify('a', 'b')
=> refused CD0232

# nextval writes its sequence
select nextval('marts.ids'), nextval('Other'), nextval('"Odd".ids'::regclass)
=> select reads writes Odd.ids, marts.ids, marts.other

# a sequence is made where its schema may be written
create sequence if not exists marts.fresh as bigint increment by 2 start with 10 no cycle
=> create reads writes marts.fresh

# one that belongs to a column changes that column's table
create sequence marts.fresh owned by raw.orders.id
=> refused CD0231

# and its numbers come out of no query
create sequence marts.fresh start with (select max(id) from raw.secret)
=> refused CD02

# currval reads its sequence
select currval('raw.ids') from raw.a
=> select reads raw.a, raw.ids

# a sequence whose name is computed is refused
select nextval('secret' || '.ids')
=> refused CD0220

# a sequence in FROM is refused
select * from nextval('secret.ids')
=> refused CD0232

# a name as a number tells what the catalog tells
select 'raw.secret'::regclass, cast(c.oid as pg_catalog.regclass), regclass 'raw.secret', 'pg_sleep'::regproc, '{int4}'::regtype[] from pg_class c
=> select reads pg_catalog.pg_class

# a type of the server's own is refused
select '{x=r/x}'::aclitem[]
=> refused CD0236

# in every spelling
select cast('a' as pg_catalog.pg_ndistinct)
=> refused CD0236

# other conversions are read
select x::text, cast(y as numeric(10, 2)), z::timestamptz, date '2020-01-01', interval '1 day', w::int[], v::citext from raw.a
=> select reads raw.a

# the catalog is readable
select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace join information_schema.columns k on k.table_name = c.relname
=> select reads information_schema.columns, pg_catalog.pg_class, pg_catalog.pg_namespace

# also by its bare names, which the server looks up there first
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where pg_table_is_visible(c.oid)
=> select reads pg_catalog.pg_class, pg_catalog.pg_namespace

# bare names of what is not lent are refused
select * from pg_authid
=> refused CD0233

# of sessions, too
select * from pg_stat_activity
=> refused CD0233

# a bare name of the catalog is not written
create temporary table pg_class (relname text)
=> refused CD0233

# what dbt asks of a schema is read
select table_schema, table_name, column_name from "shop".INFORMATION_SCHEMA.columns where table_schema ilike 'marts' union all select schemaname, tablename, null from pg_tables union all select schemaname, matviewname, null from pg_matviews
=> select reads information_schema.columns, pg_catalog.pg_matviews, pg_catalog.pg_tables

# sizes and rights are told
select pg_size_pretty(pg_total_relation_size('raw.a')), has_table_privilege('raw.a', 'select'), to_regclass('raw.nothing')
=> select reads

# a setting without a secret is told
select current_setting('server_version'), current_setting('TimeZone', true)
=> select reads

# a setting whose name is computed is not
select current_setting('data_' || 'directory')
=> refused CD0232

# passwords are not
select * from pg_catalog.pg_authid
=> refused CD0233

# by any of their names
select * from pg_catalog.pg_shadow
=> refused CD0233

# nor samples of rows
select most_common_vals from pg_catalog.pg_stats
=> refused CD0233

# nor their table
select * from pg_catalog.pg_statistic
=> refused CD0233

# nor the statements of others
select query from pg_catalog.pg_stat_activity
=> refused CD0233

# nor large objects
select data from pg_catalog.pg_largeobject
=> refused CD0233

# nor other servers' passwords
select * from pg_catalog.pg_user_mappings
=> refused CD0233

# by neither name
select * from information_schema.user_mapping_options
=> refused CD0233

# nor settings
select * from pg_catalog.pg_settings
=> refused CD0233

# nor files of settings
select * from pg_catalog.pg_hba_file_rules
=> refused CD0233

# nor rows put aside
select * from pg_toast.pg_toast_1234
=> refused CD0233

# nor another session's temporary tables
select * from pg_temp_3.t
=> refused CD0233

# the catalog is not written
update pg_catalog.pg_class set relname = 'x'
=> refused CD0233

# settings are not updated
update pg_catalog.pg_settings set setting = 'x' where name = 'search_path'
=> refused CD0233

# nothing is made in the catalog
create table pg_catalog.t (a int)
=> refused CD0233

# a table that could stand in for a catalog is refused
create table marts.pg_class (relname text)
=> refused CD0233

# fences are not read
select * from cofferdam.fence
=> refused CD0233

# fences are not written
delete from "cofferdam".fence
=> refused CD0233

# nor is their schema dropped
drop schema Cofferdam
=> refused CD0233

# ONLY is no table
select * from only secret
=> refused CD0220

# ONLY with its table is no alias
delete from only secret where true
=> refused CD0220

# a sample is read
select * from raw.a as t tablesample system (10) repeatable (3), raw.b tablesample bernoulli ((select 1 + count(*) from raw.c))
=> select reads raw.a, raw.b, raw.c

# a sample by somebody's function is refused
select * from raw.a tablesample marts.f (10)
=> refused CD0220

# any word may be a name behind AS or a dot
select x as user, y as order, z as end, t.x as "select", t.n as from from raw.a as t order by t.x, (t.y)
=> select reads raw.a

# a table's name may be any word behind a dot
select * from raw.user
=> select reads raw.user

# AS opens a query, not a name
create table marts.b as select x as having, (select 1 as into from raw.b) as "with" from raw.a
=> create reads raw.a, raw.b writes marts.b

# a word for a value is one
select current_role, session_user, user, current_user from raw.a where name <> current_role group by x
=> select reads raw.a

# a string goes on in the next line
select 'a'
  'b, (select 1 from raw.secret)' from raw.a
=> select reads raw.a

# an order of letters is no relation
select x::text collate "C" || 'x', name collate pg_catalog."C" from raw.a order by name collate "C" desc
=> select reads raw.a

# what is looked for between them may be turned round
select * from raw.a where x between symmetric 1 and (select n from raw.b)
=> select reads raw.a, raw.b

# arrays are spread out
select concat_ws(',', variadic array(select name from raw.b)) from raw.a
=> select reads raw.a, raw.b

# all fields of a row are read
select (a).*, (jsonb_each('{}')).key, (row(1, (select n from raw.b))) from raw.a
=> select reads raw.a, raw.b

# windows leave rows out
select sum(x) over (order by y rows between 1 preceding and current row exclude ties), sum(x) over (order by y range unbounded preceding exclude current row) from raw.a
=> select reads raw.a

# a table called exclude is a table
select 1 from (select 1 from exclude ties) t
=> select reads marts.exclude

# tests for null are read
select x isnull, (y) notnull, n is null from raw.a where not (x notnull)
=> select reads raw.a

# a table like another takes its parts over
create table marts.b (like raw.a including all excluding constraints)
=> create reads raw.a writes marts.b

# TABLE is refused
table raw.secret
=> refused CD0220

# TABLE is refused inside
with x as (table raw.secret) select * from x
=> refused CD0220

# rows of functions are refused
select * from rows from (generate_series(1, 2), pg_ls_dir('/')) r
=> refused CD0220

# an insert writes its table and reads its source
insert into marts.orders (id) select id from raw.orders
=> insert reads raw.orders writes marts.orders

# a conflict is read
insert into marts.a (id, n) values (1, 2) on conflict (id) do update set n = excluded.n + (select 1 from raw.b) where a.n < (select 2 from raw.c) returning (select 1 from raw.d)
=> insert reads raw.b, raw.c, raw.d writes marts.a

# an insert of defaults is read
insert into marts.a default values
=> insert reads writes marts.a

# an update reads its FROM
update marts.a as t set x = s.x, y = (select 1 from raw.c) from raw.b s join raw.d using (id) where t.id = s.id
=> update reads raw.b, raw.c, raw.d writes marts.a

# an update of an alias writes the table
update raw.secret as orders set x = 1
=> update reads writes raw.secret

# an update of many columns is read
update marts.a set (x, y) = (select 1, 2 from raw.b)
=> update reads raw.b writes marts.a

# a delete reads its USING
delete from marts.a using raw.b, raw.c where a.id = b.id returning *
=> delete reads raw.b, raw.c writes marts.a

# a merge writes its target and reads its source
merge into marts.a t using (select * from raw.b) s on t.id = s.id when matched and s.gone then delete when matched then update set x = s.x when not matched then insert (id, x) values (s.id, (select 1 from raw.c))
=> merge reads raw.b, raw.c writes marts.a

# create table as reads its query
create table marts.daily as select * from raw.orders
=> create reads raw.orders writes marts.daily

# create table as reads under WITH
create table if not exists marts.daily as with x as (select * from raw.a) select * from x
=> create reads raw.a writes marts.daily

# a table is made
create table marts.a (id bigint generated always as identity primary key, n numeric(10, 2) default 0 check (n >= 0), b text not null unique, c timestamptz default now())
=> create reads writes marts.a

# defaults are held to the list of functions
create table marts.a (x text default pg_read_file('/etc/passwd'))
=> refused CD0232

# a default that moves a sequence writes it
create table marts.a (id bigint default nextval('other.ids'))
=> create reads writes marts.a, other.ids

# a foreign key reads the table it points at
create table marts.a (id int references raw.b (id), foreign key (id) references c (id))
=> create reads marts.c, raw.b writes marts.a

# a table like another reads it
create table marts.a (like raw.b)
=> create reads raw.b writes marts.a

# a child of another table is refused
create table marts.a () inherits (raw.secret)
=> refused CD0220

# a partition of another table is refused
create table marts.a partition of raw.secret for values in (1)
=> refused CD0220

# a table elsewhere on the disk is refused
create table marts.a (x int) tablespace fast
=> refused CD0220

# a temporary table belongs to the session
create temporary table t as select * from raw.a
=> create reads raw.a writes pg_temp.t

# a temporary table of a schema is refused
create temp table marts.t (a int)
=> refused CD0220

# and so do its views
create or replace temporary view tv as select * from raw.a
=> create reads raw.a writes pg_temp.tv

# its schema is the server's
drop schema pg_temp cascade
=> refused CD0233

# nor is it made
create schema pg_temp
=> refused CD0233

# its own name is read as such
select * from pg_temp.t
=> select reads pg_temp.t

# a view reads its query
create or replace view marts.v as select * from raw.a where x = (select 1 from b)
=> create reads marts.b, raw.a writes marts.v

# a materialized view reads its query
create materialized view if not exists marts.m as select * from raw.a
=> create reads raw.a writes marts.m

# filled or empty
create materialized view marts.m as select * from raw.a with no data
=> create reads raw.a writes marts.m

# it is refreshed
refresh materialized view concurrently marts.m with data
=> refresh reads writes marts.m

# an index writes its table
create unique index if not exists orders_id on marts.orders using btree (id, lower(name)) where id > 0
=> create reads writes marts.orders

# an index has parameters
create index on marts.orders using brin (id) with (pages_per_range = 32, autosummarize = on)
=> create reads writes marts.orders

# and no others
create index on marts.orders (id) with (f = (select 1 from raw.secret))
=> refused CD0220

# an index on a function that reaches further is refused
create index i on marts.orders ((pg_read_file(name)))
=> refused CD0232

# making a schema is for admins
create schema if not exists stage
=> create reads writes stage.* with schemas

# a schema of somebody else's is refused
create schema stage authorization postgres
=> refused CD0220

# dropping a schema is for admins
drop schema if exists stage
=> drop reads writes stage.* with schemas

# a rename writes both names
alter table marts.a rename to b
=> alter reads writes marts.a, marts.b

# a move writes both names
alter table if exists marts.a set schema raw
=> alter reads writes marts.a, raw.a

# a move into the catalog is refused
alter table marts.a set schema pg_catalog
=> refused CD0233

# a move out of the fences is refused
alter table cofferdam.fence set schema marts
=> refused CD0233

# views are renamed
alter view marts.v rename to w
=> alter reads writes marts.v, marts.w

# a column is renamed
alter table marts.a rename column p to q
=> alter reads writes marts.a

# columns change, one by one
alter table marts.a add column x int default 1, drop column if exists y, alter column z set not null
=> alter reads writes marts.a

# a column's conversion is read
alter table marts.a alter column z type int using (select max(v) from raw.secret)
=> alter reads raw.secret writes marts.a

# a table's parameters change
alter table marts.a set (autovacuum_enabled = false, fillfactor = 70)
=> alter reads writes marts.a

# a table's log is given up
alter table marts.a set unlogged
=> alter reads writes marts.a

# a column is dropped with what depends on it
alter table marts.a drop column x cascade
=> alter reads writes marts.a with cascade

# owners do not change
alter table marts.a owner to postgres
=> refused CD0231

# row security is not switched off
alter table marts.a disable row level security
=> refused CD0231

# triggers are not switched off
alter table marts.a disable trigger all
=> refused CD02

# tables are dropped by name
drop table if exists marts.a, marts.b
=> drop reads writes marts.a, marts.b

# what depends on them is dropped by admins
drop table marts.a cascade
=> drop reads writes marts.a with cascade

# views and indexes are dropped
drop materialized view marts.m
=> drop reads writes marts.m

# an index is dropped by its own name
drop index concurrently marts.orders_id
=> refused CD02

# an index is dropped by its own name alone
drop index marts.orders_id
=> drop reads writes marts.orders_id

# functions are not dropped
drop function f(int)
=> refused CD0231

# extensions are not dropped
drop extension pgcrypto
=> refused CD0231

# several tables are truncated
truncate table marts.a, marts.b restart identity
=> truncate reads writes marts.a, marts.b

# tables that point at them are truncated by admins
truncate marts.a cascade
=> truncate reads writes marts.a with cascade

# comments on relations and columns write them
comment on table marts.a is 'x'
=> comment reads writes marts.a

# a column belongs to its table
comment on column marts.a.id is 'x'
=> comment reads writes marts.a

# a role has no comment
comment on role postgres is 'x'
=> refused CD0231

# statistics are gathered of a named table
analyze marts.a (id, n)
=> analyze reads writes marts.a

# and not of all
analyze verbose
=> refused CD0220

# rights are given by admins
grant select, insert on marts.a, b to reporting
=> grant reads writes marts.a, marts.b with rights

# rights on a whole schema are rights on all of it
grant select on all tables in schema marts to public
=> grant reads writes marts.* with rights

# rights are taken by admins
revoke all on table marts.a from reporting
=> revoke reads writes marts.a with rights

# a schema is opened by whoever may give rights on all of it
grant usage on schema marts, raw to reporting, public
=> grant reads writes marts.*, raw.* with rights

# nothing may be made there
grant create on schema marts to reporting
=> refused CD0220

# rights on what will be made are rights on all of it
alter default privileges in schema marts grant select on tables to reporting
=> grant reads writes marts.* with rights

# of everywhere they are refused
alter default privileges grant select on tables to reporting
=> refused CD0220

# for somebody else they are refused
alter default privileges for role postgres in schema marts grant select on tables to reporting
=> refused CD0220

# rights to pass rights on are refused
grant select on marts.a to reporting with grant option
=> refused CD0220

# roles are not given
grant postgres to reporting
=> refused CD0220

# rights on functions are not given
grant execute on function f(int) to public
=> refused CD02

# select into makes a table
select * into marts.b from raw.a
=> refused CD0231

# locks are not taken
select * from raw.a for update
=> refused CD0231

# for share neither
select * from raw.a for share of a nowait
=> refused CD0231

# locks are not taken by a statement
lock table raw.a in access exclusive mode
=> refused CD02

# COPY is refused
copy raw.a to stdout
=> refused CD02

# COPY of a query is refused
copy (select * from raw.a) to '/tmp/x'
=> refused CD02

# COPY from a program is refused
copy raw.a from program 'id'
=> refused CD02

# DO is refused
do $$ begin delete from raw.a; end $$
=> refused CD02

# SET is refused
set search_path = secret
=> refused CD02

# a setting that is no wall is set
set session time zone 'Europe/Berlin'
=> set reads

# how a statement is computed is set
set local enable_nestloop = off
=> set reads

# how long it may take is not
set statement_timeout = 0
=> refused CD0231

# nor how its text is cut
set standard_conforming_strings to off
=> refused CD0231

# it is set back
reset work_mem
=> set reads

# and no other
reset role
=> refused CD0231

# a setting takes a plain value
set timezone = (select v from raw.secret)
=> refused CD0220

# SET ROLE is refused
set role postgres
=> refused CD02

# SET SESSION AUTHORIZATION is refused
set session authorization postgres
=> refused CD02

# RESET is refused
reset all
=> refused CD02

# SHOW of all is refused
show all
=> refused CD02

# SHOW of what is no secret is read
show search_path
=> select reads

# SHOW of a file is refused
show hba_file
=> refused CD0231

# transactions are the session's
begin
=> refused CD02

# COMMIT is refused
commit
=> refused CD02

# ROLLBACK is refused
rollback to savepoint a
=> refused CD02

# SAVEPOINT is refused
savepoint a
=> refused CD02

# PREPARE is refused
prepare p as delete from raw.a
=> refused CD02

# EXECUTE is refused
execute p
=> refused CD02

# DEALLOCATE is refused
deallocate all
=> refused CD02

# LISTEN is refused
listen x
=> refused CD02

# NOTIFY is refused
notify x, 'y'
=> refused CD02

# CALL is refused
call p()
=> refused CD02

# EXPLAIN reads what it explains
explain select * from raw.a
=> select reads raw.a

# and is held to what that would write
explain (costs off, format json) delete from raw.a
=> delete reads writes raw.a

# EXPLAIN of a name is refused
explain execute p
=> refused CD02

# EXPLAIN tells no settings
explain (settings) select 1
=> refused CD02

# EXPLAIN ANALYZE runs what it explains
explain analyze delete from raw.a
=> refused CD0231

# EXPLAIN with options is refused
explain (analyze true, format json) delete from raw.a
=> refused CD0231

# functions are not made
create function marts.f() returns int language sql as 'select 1'
=> refused CD02

# triggers are not made
create trigger t before insert on marts.a for each row execute function f()
=> refused CD02

# rules are not made
create rule r as on select to marts.a do instead select * from raw.secret
=> refused CD02

# extensions are not made
create extension dblink
=> refused CD02

# foreign tables are not made
create foreign table marts.f (a int) server s
=> refused CD02

# servers are not made
create server s foreign data wrapper file_fdw
=> refused CD02

# roles are not made
create role r superuser
=> refused CD02

# roles are not changed
alter role postgres password 'x'
=> refused CD02

# the server is not changed
alter system set fsync = off
=> refused CD02

# databases are not made
create database d
=> refused CD02

# VACUUM writes the tables it names
vacuum full analyze raw.a
=> analyze reads writes raw.a

# with its options in brackets, too
vacuum (analyze, verbose off) marts.a (x, y), marts.b
=> analyze reads writes marts.a, marts.b

# VACUUM of everything is refused
vacuum
=> refused CD0220

# VACUUM of a catalog is refused
vacuum pg_catalog.pg_class
=> refused CD0233

# cursors are refused
declare c cursor for select * from raw.secret
=> refused CD02

# DISCARD is refused
discard all
=> refused CD02

# a library is not loaded
load 'x'
=> refused CD02

# a security label is not set
security label on table raw.a is 'x'
=> refused CD02

# owned objects are not given away
reassign owned by a to b
=> refused CD02

# a schema is not imported
import foreign schema s from server t into marts
=> refused CD02

# a word the server reserves is no alias
select 1 from raw.a full, raw.b
=> refused CD0220

# a string is no alias
select x 'y' from raw.a
=> refused CD0220

# a call of a string is refused
select 'pg_sleep'(1)
=> refused CD0220

# a system column is a column
select a.ctid, a.tableoid from raw.a
=> select reads raw.a

# a field of a row is a field
select (a.r).f, (a.r).g.h from raw.a
=> select reads raw.a

# a row's field is not called
select (a.r).pg_sleep(1) from raw.a
=> refused CD02

# named arguments are read
select make_interval(days => (select n from raw.b)) from raw.a
=> select reads raw.a, raw.b

# slices are read
select a[1:(select n from raw.b)] from raw.a
=> select reads raw.a, raw.b

# END ends no statement
select x end from raw.secret
=> refused CD0220

# what stands behind END is read
select case when x > 1 then 1 end, y from raw.a
=> select reads raw.a
