#!lua
-- uses: common buckets changes
-- Write an article anew under its handle, if its record is still the one that was read.
local fingerprint, now, partition_number = take(), take(), take_number()
local handle, old_record = take_number(), take()
local record, document = take(), take()
local indexed, buckets, keep_buckets = take_number(), take(), take()
-- Where the buckets are that it leaves and that it comes into, as the caller knows it.
local generation, known_longs = take(), take_number()
local old_light, old_long, old_spread = take(), take(), take()
local new_light, new_long, new_spread = take(), take(), take()

local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
-- One that is about to expire is as good as gone: its partition is no longer there.
if record_name(handle) ~= old_record
   or handle <= (tonumber(call('HGET', base .. K.META, 'floor')) or 0) then
    return {'ok', 0}
end
local layout = read_layout()
old_light, old_long, old_spread = placed(layout, generation, known_longs, old_light, old_long,
                                         old_spread)
if not old_light then
    return {'stale'}
end
new_light, new_long, new_spread = placed(layout, generation, known_longs, new_light, new_long,
                                         new_spread)
touch(read_assignment(handle)).dirty = true

local document_key = base .. K.DOCUMENT .. handle
local header = call('GETRANGE', document_key, 0, 29)
local low, high = byte(header, 29, 30)
header = header .. call('GETRANGE', document_key, 30, 29 + low + high * 256)
call('SET', base .. K.RECORD .. handle, record)
call('HINCRBY', base .. K.META, 'rewritten', 1) -- whoever keeps records forgets them
call('SET', document_key, header .. document)

remove_from_buckets(layout, old_light, old_long, old_spread, handle)
if #new_light + #new_long + #new_spread > 0 then
    local oldest, oldest_first
    local raw = call('HGETALL', base .. K.PARTITIONS)
    for i = 1, #raw, 2 do
        local first = tonumber(raw[i + 1])
        if not oldest or first < oldest_first then
            oldest, oldest_first = raw[i], first
        end
    end
    if not oldest then
        call('HSET', base .. K.PARTITIONS, partition_number, handle)
        call('HSET', base .. K.META, 'partition', partition_number)
    elseif handle < oldest_first then
        -- Nothing as old had buckets until now: the oldest partition begins earlier.
        call('HSET', base .. K.PARTITIONS, oldest, handle)
    end
    insert_into_buckets(layout, new_light, new_long, new_spread, handle)
end
write_layout(layout)
if handle > (tonumber(call('HGET', base .. K.META, 'handle')) or 0) - NEWEST_ARTICLES then
    note_buckets(handle, buckets, NO_WAVE)
end
if indexed ~= 0 then
    call('HINCRBY', base .. K.META, 'indexed', indexed)
end
if keep_buckets == '1' and #buckets > 0 then
    call('SET', base .. K.FORWARD .. handle, buckets)
else
    call('DEL', base .. K.FORWARD .. handle)
end
write_touched(now, {}, {})
return {'ok', 1}
