# MySQL and MariaDB. What is read first, then ways to read or write past a grant. See README.md.

# a plain select reads its table
select id from raw.orders
=> select reads raw.orders

# an unqualified name belongs to the session's database
SELECT * FROM `orders`
=> select reads marts.orders

# names keep their case, as the server does on Linux
select * from RAW.Orders join `raw`.`orders` on true
=> select reads RAW.Orders, raw.orders

# a quoted name holds its dots
select * from `raw.secret`
=> select reads marts.raw.secret

# a name in three parts is refused
select * from def.raw.secret
=> refused CD0220

# an executable comment hides SQL from a reader
select 1 from raw.a /*! union select * from raw.secret */
=> refused CD0234

# with a version
select 1 from raw.a /*!50000 union select * from raw.secret */
=> refused CD0234

# of MariaDB
select 1 from raw.a /*M! union select * from raw.secret */
=> refused CD0234

# of MariaDB, with a version
select 1 from raw.a /*M!100100 , raw.secret */
=> refused CD0234

# a hint sets variables
select /*+ SET_VAR(sql_mode='') */ 1 from raw.a
=> refused CD0234

# a comment inside a comment is refused
select 1 from raw.a /* /* */ , raw.secret
=> refused CD0234

# a plain comment changes nothing
select /* from raw.x */ 1 -- from raw.y
from raw.a # , raw.secret
=> select reads raw.a

# an executable comment in a string is text
select '/*! x */' from raw.a where b = "/*M! y */"
=> select reads raw.a

# two signs without a blank are no comment everywhere
select 1--1 from raw.a
=> refused CD0220

# a comment left open is refused
select 1 from raw.a /* x
=> refused CD0220

# a backslash before a quote could end the string or not
select '\' , (select 1 from raw.secret) -- '
=> refused CD0220

# in double quotes too
select "\" , (select 1 from raw.secret) -- "
=> refused CD0220

# a doubled quote ends nothing
select 'it''s', "a""b", 'a"b' from raw.a
=> select reads raw.a

# elsewhere a backslash ends nothing
select '\n\\x' from raw.a where b regexp '\\d+'
=> select reads raw.a

# a string is no table
select * from "raw"."secret"
=> refused CD0220

# a string is an alias
select x as 'y', z 'w' from raw.a
=> select reads raw.a

# letters outside ASCII need quotes
select * from raw.оrders
=> refused CD0220

# with quotes they are another relation
select * from raw.`оrders`
=> select reads raw.оrders

# a character the server cannot keep is refused
select * from raw.`a😀`
=> refused CD0220

# a blank at the end of a name is refused
select * from raw.`secret `
=> refused CD0220

# a zero-width blank is no blank
select * from​ raw.orders
=> refused CD0220

# a number does not run into a name
select 1.e(1) from raw.a
=> refused CD0220

# a name that starts with a digit needs quotes
select * from raw.1a
=> refused CD0220

# and has them here
select * from raw.`1a`
=> select reads raw.1a

# two statements are refused
select 1; drop table raw.a
=> refused CD0230

# no statement is refused
;
=> refused CD0230

# a parameter is no relation
select * from raw.a where id = ? limit ?, ?
=> select reads raw.a

# variables are refused
select @x := 1
=> refused CD0220

# server variables are refused
select @@global.secure_file_priv
=> refused CD0220

# a common table expression is no relation
with recent as (select * from raw.orders) select * from recent
=> select reads raw.orders

# one of another case is another name
with recent as (select 1) select * from Recent
=> select reads marts.Recent

# without RECURSIVE its body does not see its own name
with orders as (select * from orders) select * from orders
=> select reads marts.orders

# with RECURSIVE it does
with recursive n as (select 1 as i union all select i + 1 from n where i < 9) select i from n
=> select reads

# subqueries are found in the select list, WHERE, IN, EXISTS and ANY
select (select max(v) from raw.b) from raw.a where x in (select x from raw.c) and exists (select 1 from raw.d) and z > any (select 1 from raw.e)
=> select reads raw.a, raw.b, raw.c, raw.d, raw.e

# subqueries are found in ORDER BY, GROUP BY and HAVING
select 1 from raw.a group by (select g from raw.b) having count(*) > (select n from raw.c) order by (select v from raw.d)
=> select reads raw.a, raw.b, raw.c, raw.d

# subqueries are found in functions, CASE and windows
select if((select 1 from raw.b), case when x then (select 1 from raw.c) end, group_concat(x order by (select 1 from raw.d) separator ',')), sum(x) over (partition by (select 1 from raw.e)) from raw.a
=> select reads raw.a, raw.b, raw.c, raw.d, raw.e

# set operations and derived tables are read
select * from (select 1 from raw.a union all select 1 from raw.b) x straight_join raw.c on true left join (raw.d, raw.e) on true
=> refused CD02

# set operations and joins are read
select * from (select 1 from raw.a union all select 1 from raw.b) x straight_join raw.c on true left join raw.d using (id)
=> select reads raw.a, raw.b, raw.c, raw.d

# hints on indexes and partitions are read
select * from raw.a partition (p0) as t use index (i) where 1
=> select reads raw.a

# DUAL is no table
select 1 from dual
=> select reads

# with quotes it is one
select 1 from `dual`
=> select reads marts.dual

# ordinary functions are called
select ifnull(a, 'x'), date_format(b, '%Y-%m'), json_extract(c, '$.k'), c ->> '$.k', cast(d as decimal(10, 2)), convert(e using utf8mb4), count(distinct f), date_add(g, interval 1 day), substring_index(h, ',', 1), now(), concat_ws('-', i, j), row_number() over (order by k), left(l, 2), replace(m, 'a', 'b'), md5(n), uuid(), extract(year from o) from raw.a
=> select reads raw.a

# functions of a database are refused
select raw.f(1)
=> refused CD0232

# server files are not read
select load_file('/etc/passwd')
=> refused CD0232

# whatever quotes the function has
select `LOAD_FILE`('/etc/passwd')
=> refused CD0232

# a session does not sleep
select sleep(1000)
=> refused CD0232

# a blank before the parenthesis changes nothing
select sleep (1000)
=> refused CD0232

# nor does it burn time
select benchmark(1000000000, md5('x'))
=> refused CD0232

# locks are not taken by a function
select get_lock('cofferdam', 10)
=> refused CD0232

# programs are not run
select sys_exec('id')
=> refused CD0232

# errors are not made to tell
select extractvalue(1, concat(0x7e, version()))
=> refused CD0232

# a function nobody listed is refused
select my_function(1)
=> refused CD0232

# SELECT INTO OUTFILE is refused
select * from raw.a into outfile '/tmp/x'
=> refused CD02

# SELECT INTO DUMPFILE is refused
select * into dumpfile '/tmp/x' from raw.a
=> refused CD02

# SELECT INTO a variable is refused
select 1 into @x
=> refused CD0220

# PROCEDURE ANALYSE is refused
select * from raw.a procedure analyse()
=> refused CD0220

# locks are not taken
select * from raw.a for update
=> refused CD0231

# in share mode neither
select * from raw.a lock in share mode
=> refused CD02

# history is refused
select * from raw.a for system_time as of '2020-01-01'
=> refused CD0220

# the catalog is readable in any case
select table_name from INFORMATION_SCHEMA.TABLES join information_schema.columns using (table_name)
=> select reads information_schema.columns, information_schema.tables

# other sessions are not
select info from information_schema.processlist
=> refused CD0233

# in any case
select info from Information_Schema.PROCESSLIST
=> refused CD0233

# nor rights
select * from information_schema.user_privileges
=> refused CD0233

# passwords are not
select * from mysql.user
=> refused CD0233

# in any case
select * from `MySQL`.global_priv
=> refused CD0233

# nor other sessions' statements
select * from performance_schema.threads
=> refused CD0233

# nor by views
select * from sys.processlist
=> refused CD0233

# the catalog is not written
insert into mysql.user values (1)
=> refused CD0233

# fences are not read
select * from cofferdam.fence
=> refused CD0233

# fences are not written
replace into `Cofferdam`.fence values (1)
=> refused CD0233

# an insert writes its table and reads its source
insert into marts.orders (id) select id from raw.orders
=> insert reads raw.orders writes marts.orders

# a duplicate is read
insert into marts.a (id, n) values (1, 2) on duplicate key update n = values(n) + (select 1 from raw.b)
=> insert reads raw.b writes marts.a

# INSERT SET is read
insert ignore into marts.a set x = 1, y = (select 1 from raw.b)
=> insert reads raw.b writes marts.a

# REPLACE is an insert
replace into marts.a select * from raw.b
=> insert reads raw.b writes marts.a

# an update writes its table
update marts.a set x = (select max(x) from raw.b) where id = 1 order by id limit 1
=> update reads raw.b writes marts.a

# an update of several tables writes those whose columns are set
update marts.a join raw.b as s on a.id = s.id set a.x = s.x
=> update reads marts.a, raw.b writes marts.a

# by their alias
update marts.a x join raw.secret a on true set a.x = 1
=> update reads marts.a, raw.secret writes raw.secret

# a bare column could belong to any of them
update marts.a join raw.b using (id) set x = 1
=> update reads marts.a, raw.b writes marts.a, raw.b

# a column of none of them is refused
update marts.a join raw.b using (id) set c.x = 1
=> refused CD0220

# a delete writes its table
delete from marts.a where id in (select id from raw.b) limit 10
=> delete reads raw.b writes marts.a

# a delete from several tables writes those it names
delete a from marts.a join raw.b on a.id = b.id
=> delete reads marts.a, raw.b writes marts.a

# by their alias
delete a from marts.x as b, raw.secret as a where a.id = b.id
=> delete reads marts.x, raw.secret writes raw.secret

# with USING
delete from a using marts.a join raw.b on a.id = b.id
=> delete reads marts.a, raw.b writes marts.a

# one that is none of them is refused
delete c from marts.a join raw.b on true
=> refused CD0220

# create table as reads its query
create table marts.daily engine = InnoDB as select * from raw.orders
=> create reads raw.orders writes marts.daily

# AS may be left out
create or replace table marts.daily select * from raw.orders
=> create reads raw.orders writes marts.daily

# a table is made
create table if not exists marts.a (id bigint unsigned not null auto_increment, n decimal(10, 2) default 0, t timestamp default current_timestamp on update current_timestamp, primary key (id), key k (n)) engine=InnoDB default charset=utf8mb4 comment='x'
=> create reads writes marts.a

# a table that reaches another server is refused
create table marts.a (x int) engine=FEDERATED connection='mysql://u@h/db/t'
=> refused CD02

# a table over others is refused
create table marts.a (x int) engine=MERGE union=(raw.secret)
=> refused CD02

# a table over a file is refused
create table marts.a (x int) engine=CONNECT table_type=CSV file_name='/etc/passwd'
=> refused CD02

# a table elsewhere on the disk is refused
create table marts.a (x int) data directory='/tmp'
=> refused CD02

# a table like another reads it
create table marts.a like raw.b
=> create reads raw.b writes marts.a

# a foreign key looks beside its own table
create table raw.a (id int, foreign key (id) references c (id))
=> create reads raw.c writes raw.a

# a view reads its query
create or replace view marts.v as select * from raw.a
=> create reads raw.a writes marts.v

# a view with another's rights is refused
create definer = root@localhost view marts.v as select * from raw.secret
=> refused CD02

# an index writes its table
create index i on marts.a (id)
=> create reads writes marts.a

# it is dropped from it
drop index i on marts.a
=> drop reads writes marts.a

# columns change
alter table marts.a add column x int first, drop column y, modify column z text, change column p q int
=> alter reads writes marts.a

# a rename goes to the session's database
alter table raw.a rename to b
=> alter reads writes marts.b, raw.a

# a rename may go to another
alter table marts.a rename raw.b
=> refused CD02

# a rename to another writes both
alter table marts.a rename to raw.b
=> alter reads writes marts.a, raw.b

# tables are renamed, several at once
rename table marts.a to marts.b, c to raw.c
=> alter reads writes marts.a, marts.b, marts.c, raw.c

# a table's rows are not thrown away by its file
alter table marts.a discard tablespace
=> refused CD02

# a table's engine does not change
alter table marts.a engine = FEDERATED
=> refused CD02

# partitions are not exchanged
alter table marts.a exchange partition p with table raw.secret
=> refused CD02

# tables and views are dropped
drop table if exists marts.a, b
=> drop reads writes marts.a, marts.b

# a view is dropped
drop view marts.v
=> drop reads writes marts.v

# a table is emptied
truncate table marts.a
=> truncate reads writes marts.a

# statistics are gathered
analyze table marts.a
=> analyze reads writes marts.a

# making a database is for admins
create database if not exists stage
=> create reads writes stage.* with schemas

# making a schema is for admins
create schema stage
=> create reads writes stage.* with schemas

# dropping one is for admins
drop database stage
=> drop reads writes stage.* with schemas

# rights are given by admins
grant select on marts.a to 'reporting'
=> grant reads writes marts.a with rights

# rights on everything need a grant of everything
grant select on *.* to reporting
=> grant reads writes *.* with rights

# rights to pass rights on are refused
grant select on marts.a to reporting with grant option
=> refused CD02

# files are not loaded
load data infile '/etc/passwd' into table marts.a
=> refused CD02

# files are not loaded from here either
load data local infile '/etc/passwd' into table marts.a
=> refused CD02

# XML is not loaded
load xml infile '/etc/x' into table marts.a
=> refused CD02

# HANDLER is refused
handler raw.secret open
=> refused CD02

# KILL is refused
kill 1
=> refused CD02

# plugins are not installed
install plugin x soname 'x.so'
=> refused CD02

# functions are not made
create function f returns string soname 'x.so'
=> refused CD02

# procedures are not made
create procedure p() select * from raw.secret
=> refused CD02

# triggers are not made
create trigger t before insert on marts.a for each row set @x = 1
=> refused CD02

# events are not made
create event e on schedule every 1 hour do delete from raw.a
=> refused CD02

# servers are not made
create server s foreign data wrapper mysql options (host 'x')
=> refused CD02

# users are not made
create user u identified by 'x'
=> refused CD02

# passwords are not set
set password = 'x'
=> refused CD02

# SET is refused
set sql_mode = 'ANSI_QUOTES'
=> refused CD02

# SET GLOBAL is refused
set global general_log = 1
=> refused CD02

# USE is refused
use raw
=> refused CD02

# SHOW is refused
show grants
=> refused CD02

# SHOW CREATE is refused
show create table raw.secret
=> refused CD02

# DESCRIBE is refused
describe raw.secret
=> refused CD02

# EXPLAIN reads what it explains
explain format = json select * from raw.a
=> select reads raw.a

# EXPLAIN of a table is refused
explain raw.secret
=> refused CD02

# MOD between values is a sign
select x mod 2, mod(y, (select n from raw.b)), (z) mod (select n from raw.c) from raw.a
=> select reads raw.a, raw.b, raw.c

# a string goes on in the next one
select 'a' 'b, (select 1 from raw.secret)' from raw.a
=> select reads raw.a

# a word behind a dot is a name
select a.key, a.select from raw.a where a.order > 1
=> select reads raw.a

# ANALYZE runs what it explains
analyze delete from raw.a
=> refused CD02

# CALL is refused
call p()
=> refused CD02

# DO is refused
do sleep(5)
=> refused CD02

# EXECUTE IMMEDIATE is refused
execute immediate 'drop table raw.a'
=> refused CD02

# PREPARE is refused
prepare p from 'drop table raw.a'
=> refused CD02

# transactions are the session's
start transaction
=> refused CD02

# COMMIT is refused
commit
=> refused CD02

# LOCK TABLES is refused
lock tables raw.a write
=> refused CD02

# FLUSH is refused
flush tables
=> refused CD02

# a block is refused
begin not atomic drop table raw.a; end
=> refused CD0230

# repairs are refused
repair table raw.a
=> refused CD02

# TABLE is refused
table raw.secret
=> refused CD02

# a function in FROM is refused
select * from f(1) t
=> refused CD02

# JSON in FROM is read
select j.x from raw.a, json_table(a.d, '$[*]' columns (x int path '$.x')) j
=> select reads raw.a

# END is a name, and ends nothing
select x end from raw.secret
=> refused CD0220

# what stands behind END is read
select case when x then 1 end, y from raw.a
=> select reads raw.a
