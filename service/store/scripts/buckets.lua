-- Buckets, by time partition. A partition is a linear hash table (Litwin 1980) over as many hashes
-- ("shards") as keep about BUCKETS_PER_SHARD fields each: so every hash stays a list pack, which
-- costs about 13 bytes a bucket where a real hash table costs 30 to 70, at any number of articles.
-- Shard of a bucket: its head bits modulo 2 * power, minus power where that shard is not there yet,
-- power being the largest power of two that does not exceed the number of shards. "Its bits" are
-- the upper 12 of its 44 first, then the lowest ones upwards: both ends are evenly spread.
local BUCKETS_PER_SHARD = 32
local FIRST_SHARDS = 4096
local MOST_SPLITS = 64
local INLINE_BYTES = 60 -- a longer value would turn its whole hash into a hash table

local function partition_object(number, first, shards, buckets)
    local power = FIRST_SHARDS
    while power * 2 <= shards do
        power = power * 2
    end
    return {number = number, first = first, shards = shards, buckets = buckets, power = power,
            prefix = format('%s%s%d:', base, K.BUCKETS, number)}
end

-- All partitions, oldest first. Handles rise from one to the next.
local function read_partitions()
    local raw = call('HGETALL', base .. K.PARTITIONS)
    local list = {}
    for i = 1, #raw, 2 do
        local first, shards, buckets = string.match(raw[i + 1], '(%d+) (%d+) (%d+)')
        list[#list + 1] = partition_object(tonumber(raw[i]), tonumber(first), tonumber(shards),
                                           tonumber(buckets))
    end
    table.sort(list, function(a, b) return a.number < b.number end)
    return list
end

local function write_partition(p)
    call('HSET', base .. K.PARTITIONS, p.number,
         string.format('%d %d %d', p.first, p.shards, p.buckets))
end

-- Bucket number k (from 0) of a packed list: its field (the lower 32 bits of the id),
-- the field as a number, and the upper 12 bits.
local function bucket_at(packed, k)
    local offset = k * 6
    local rest, head = struct.unpack('<I4I2', packed, offset + 1)
    return sub(packed, offset + 1, offset + 4), rest, head
end

local function shard_key(p, rest, head)
    local shard = (head + FIRST_SHARDS * (rest % 1048576)) % (p.power * 2)
    if shard >= p.shards then
        shard = shard - p.power
    end
    return format('%s%d', p.prefix, shard)
end

local function long_key(p, rest, head)
    return format('%sh%d.%d', p.prefix, head, rest)
end

-- How many entries a bucket of weight 1 may have before it says nothing: then it is not read.
local function overfull_limit(indexed, least, share)
    return math.max(least, floor(share * indexed))
end

local function bucket_count(p, value, rest, head)
    if value == '' then
        return call('STRLEN', long_key(p, rest, head)) / 4
    end
    return #value / 4
end

-- Move the entries of the shard next in turn that belong to the new shard.
local function split_shard(p)
    local old = p.shards - p.power
    local modulus = p.power * 2
    local head = old % FIRST_SHARDS
    local flat = call('HGETALL', p.prefix .. old)
    local moved, gone = {}, {}
    for i = 1, #flat, 2 do
        local rest = handle_at(flat[i], 0)
        if (head + FIRST_SHARDS * (rest % 1048576)) % modulus ~= old then
            moved[#moved + 1] = flat[i]
            moved[#moved + 1] = flat[i + 1]
            gone[#gone + 1] = flat[i]
        end
    end
    for i = 1, #moved, 1000 do
        call('HSET', p.prefix .. p.shards, unpack(moved, i, math.min(i + 999, #moved)))
    end
    for i = 1, #gone, 1000 do
        call('HDEL', p.prefix .. old, unpack(gone, i, math.min(i + 999, #gone)))
    end
    p.shards = p.shards + 1
    if p.shards == modulus then
        p.power = modulus
    end
end

-- No more than so many at a time: a partition that was written with fuller shards catches up little
-- by little.
local function split_shards(p)
    for _ = 1, MOST_SPLITS do
        if p.buckets <= p.shards * BUCKETS_PER_SHARD then
            break
        end
        split_shard(p)
    end
end

-- `values`: what the buckets hold already, where the caller has read it; false for nothing.
local function add_to_buckets(p, packed_buckets, handle, values)
    local entry = pack_handle(handle)
    for k = 0, #packed_buckets / 6 - 1 do
        local field, rest, head = bucket_at(packed_buckets, k)
        local key = shard_key(p, rest, head)
        local value
        if values then
            value = values[k]
        else
            value = call('HGET', key, field)
        end
        if not value then
            call('HSET', key, field, entry)
            p.buckets = p.buckets + 1
        elseif value == '' then
            call('APPEND', long_key(p, rest, head), entry)
        elseif #value < INLINE_BYTES then
            call('HSET', key, field, value .. entry)
        else
            call('SET', long_key(p, rest, head), value .. entry)
            call('HSET', key, field, '')
        end
    end
    split_shards(p)
end

-- The partition that holds the buckets of a handle; nil when there is none that old.
local function partition_of(partitions, handle)
    local found
    for i = 1, #partitions do
        if partitions[i].first <= handle then
            found = partitions[i]
        end
    end
    return found
end

local function with_entry(value, handle)
    local offset = #value
    while offset > 0 and handle_at(value, offset - 4) > handle do
        offset = offset - 4
    end
    if offset > 0 and handle_at(value, offset - 4) == handle then
        return value
    end
    return sub(value, 1, offset) .. pack_handle(handle) .. sub(value, offset + 1)
end

-- Add a handle that is not the newest: entries stay in ascending order.
local function insert_into_buckets(p, packed_buckets, handle)
    for k = 0, #packed_buckets / 6 - 1 do
        local field, rest, head = bucket_at(packed_buckets, k)
        local key = shard_key(p, rest, head)
        local value = call('HGET', key, field)
        if not value then
            p.buckets = p.buckets + 1
        elseif value == '' then
            value = call('GET', long_key(p, rest, head))
        end
        value = with_entry(value or '', handle)
        if #value <= INLINE_BYTES then
            call('HSET', key, field, value)
        else
            call('SET', long_key(p, rest, head), value)
            call('HSET', key, field, '')
        end
    end
    split_shards(p)
end

local function without_entry(value, entry)
    local start = 1
    while true do
        local at = string.find(value, entry, start, true)
        if not at then
            return nil
        end
        if at % 4 == 1 then
            return sub(value, 1, at - 1) .. sub(value, at + 4)
        end
        start = at + 1
    end
end

local function remove_from_buckets(partitions, packed_buckets, handle)
    local p = partition_of(partitions, handle)
    if not p then
        return
    end
    local entry = pack_handle(handle)
    for k = 0, #packed_buckets / 6 - 1 do
        local field, rest, head = bucket_at(packed_buckets, k)
        local key = shard_key(p, rest, head)
        local value = call('HGET', key, field)
        if value then
            local long = value == ''
            if long then
                value = call('GET', long_key(p, rest, head))
            end
            local left = without_entry(value, entry)
            if left then
                if left == '' then
                    call('HDEL', key, field)
                    p.buckets = p.buckets - 1
                elseif #left <= INLINE_BYTES then
                    call('HSET', key, field, left)
                else
                    call('SET', long_key(p, rest, head), left)
                end
                if long and #left <= INLINE_BYTES then
                    call('DEL', long_key(p, rest, head))
                end
            end
        end
    end
    write_partition(p)
end
