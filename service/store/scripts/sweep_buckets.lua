#!lua flags=allow-oom
-- uses: common buckets
-- Take the entries of articles that expired out of some buckets: shard by shard first, then the long
-- buckets, whose list is written anew without those that are empty.
-- Arguments: fingerprint, number of shards, number of long buckets. Answer: 1 while more is left.
local fingerprint, shard_count, long_count = take(), take_number(), take_number()
local found = call('HGET', base .. K.META, 'fingerprint')
if found ~= fingerprint then
    return {'mismatch', found or ''}
end
local expiring, list, next_list = base .. K.EXPIRING, base .. K.LONG_LIST, base .. K.LONG_LIST_NEXT
local state = call('HMGET', expiring, 'shard', 'long', 'partitions')
local shard, long = tonumber(state[1] or ''), tonumber(state[2] or '')
if not shard and not long then
    return {'ok', 0}
end
local layout = read_layout()

-- What is left of entries in ascending order of handles.
local function living(value, bytes)
    local at = 0
    while at < #value and handle_at(value, at + bytes - 4) <= layout.floor do
        at = at + bytes
    end
    return at
end

if shard then
    local last = math.min(shard + shard_count, layout.shards) - 1
    for number = shard, last do
        local key = format(shard_format, number)
        local value = call('GET', key)
        local cut = value and living(value, 8) or 0
        if cut > 0 then
            set_or_delete(key, sub(value, cut + 1))
            layout.light, layout.entries = layout.light - cut / 8, layout.entries - cut / 8
        end
    end
    if last + 1 < layout.shards then
        call('HSET', expiring, 'shard', last + 1)
    else
        call('HDEL', expiring, 'shard')
        call('HSET', expiring, 'long', 0)
        call('UNLINK', next_list)
        call('HSET', base .. K.META, 'sweeping', 1)
    end
    write_layout(layout)
    return {'ok', 1}
end

local some, kept = call('GETRANGE', list, 6 * long, 6 * (long + long_count) - 1), {}
for at = 1, #some, 6 do
    local key = long_key(bucket_at(some, at))
    local first = call('GETRANGE', key, 0, 3)
    if first ~= '' and handle_at(first, 0) <= layout.floor then
        local value = call('GET', key)
        local cut = living(value, 4)
        set_or_delete(key, sub(value, cut + 1))
        layout.entries = layout.entries - cut / 4
        if cut == #value then
            first = ''
        end
    end
    if first ~= '' then
        kept[#kept + 1] = sub(some, at, at + 5)
    end
end
if #kept > 0 then
    call('APPEND', next_list, table.concat(kept))
end
if long + #some / 6 < layout.longs then
    call('HSET', expiring, 'long', long + #some / 6)
    write_layout(layout)
    return {'ok', 1}
end
call('HDEL', base .. K.META, 'sweeping')
call('UNLINK', expiring)
call('HINCRBY', base .. K.META, 'expired_partitions', tonumber(state[3]) or 0)
if call('EXISTS', next_list) == 1 then
    call('RENAME', next_list, list)
else
    call('UNLINK', list)
end
local kept_longs = call('STRLEN', list) / 6
if layout.longs > 0 then
    layout.number, layout.longs = layout.number + 1, kept_longs
end
write_layout(layout)
return {'ok', 0}
