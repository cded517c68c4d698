#!lua
-- uses: common
-- Let everybody see what was founded, in this one step. Arguments: token, number of articles, the
-- day that their time partition begins, frequencies, repeated lines, counts of lines, names of the
-- keys that take their place now, number of those, then fields and values of `meta`.
local token, articles, partition_number = take(), take_number(), take()
local frequencies, repeated_lines, line_counts = take(), take(), take()
if call('HGET', base .. K.META, 'founding') ~= token then
    return {'taken'}
end
for _ = 1, take_number() do
    local name = take()
    call('RENAME', base .. K.FOUNDED .. name, base .. name)
end
call('HSET', base .. K.META, 'handle', articles, 'articles', articles,
     unpack(ARGV, position + 1, #ARGV))
if articles > 0 then
    call('HSET', base .. K.META, 'partition', partition_number)
    call('HSET', base .. K.PARTITIONS, partition_number, 1)
end
call('SET', base .. K.FREQUENCIES, frequencies)
call('SET', base .. K.REPEATED_LINES, repeated_lines)
call('SET', base .. K.LINE_COUNTS, line_counts)
call('HINCRBY', base .. K.META, 'epoch', 1)
call('HDEL', base .. K.META, 'founding')
return {'ok'}
