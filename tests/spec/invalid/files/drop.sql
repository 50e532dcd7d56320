drop table prices; select 1
