#!lua
-- uses: common
-- Store what the stream has shown, if its epoch is still the expected one; an empty one is any.
local expected, frequencies, repeated_lines, line_counts = take(), take(), take(), take()
local epoch = tonumber(call('HGET', base .. K.META, 'epoch')) or 0
if expected ~= '' and tonumber(expected) ~= epoch then
    return epoch
end
call('SET', base .. K.FREQUENCIES, frequencies)
call('SET', base .. K.REPEATED_LINES, repeated_lines)
call('SET', base .. K.LINE_COUNTS, line_counts)
return call('HINCRBY', base .. K.META, 'epoch', 1)
