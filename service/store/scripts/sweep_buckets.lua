#!lua flags=allow-oom
-- uses: common buckets
-- Take the entries of articles that expired out of some buckets: shard by shard first, then the long
-- groups, whose list is written anew without those that are empty.
-- Arguments: fingerprint, number of shards, number of long groups. Answer: 1 while more is left.
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

-- How many bytes of entries in ascending order of handles have expired, and buckets they were in.
local function expired(value, after)
    local at, removed = 1, 0
    while at <= #value and handle_at(value, at - 1) <= layout.floor do
        local following, buckets = after(value, at)
        at, removed = following, removed + buckets
    end
    return at - 1, removed
end

if shard then
    local last = math.min(shard + shard_count, layout.shards) - 1
    for number = shard, last do
        local key = format(shard_format, number)
        local value = call('GET', key)
        if value then
            local cut, removed = expired(value, after_in_shard)
            if cut > 0 then
                set_or_delete(key, sub(value, cut + 1))
                layout.light, layout.entries = layout.light - cut, layout.entries - removed
            end
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

-- Take what expired out of a string; returns whether anything is left.
local function sweep(key, after)
    local first = call('GETRANGE', key, 0, 3)
    if first == '' then
        return false
    elseif handle_at(first, 0) > layout.floor then
        return true
    end
    local value = call('GET', key)
    local cut, removed = expired(value, after)
    set_or_delete(key, sub(value, cut + 1))
    layout.entries = layout.entries - removed
    return cut < #value
end

-- A spread group is as much work as many long ones.
local some, kept = call('GETRANGE', list, 6 * long, 6 * (long + long_count) - 1), {}
local at, work = 1, 0
while at <= #some and work < long_count do
    local low, high, head, is_text = name_at(some, at)
    local is_kept = false
    if byte(some, at + 5) == LONG then
        work = work + 1
        is_kept = sweep(long_key(low, high, head), walk_of_long(is_text))
    else
        work = work + SLOTS
        for slot = 0, SLOTS - 1 do
            is_kept = sweep(format(spread_format, head, low + 65536 * high, slot), after_handle)
                      or is_kept
        end
    end
    if is_kept then
        kept[#kept + 1] = sub(some, at, at + 5)
    end
    at = at + 6
end
if #kept > 0 then
    call('APPEND', next_list, table.concat(kept))
end
local done = long + (at - 1) / 6
if done < layout.longs then
    call('HSET', expiring, 'long', done)
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
