-- Buckets: in which articles are, one entry for every bucket of an article. See buckets.py, which
-- reads them and tells scripts where each one is, and why they are laid out so.
--
-- A bucket of few articles shares a *shard* with others: a string of entries (lower 32 bits of the
-- bucket's id, handle; 8 bytes), written by APPEND. Shards are a linear hash table (Litwin 1980)
-- that keeps about ENTRIES_PER_SHARD entries in each. Shard of a bucket: its head bits modulo
-- 2 * power, minus power where that shard is not there yet, power being the largest power of two
-- that does not exceed the number of shards. "Its bits" are the upper 12 of its 44 first, then the
-- lowest ones upwards: both ends are evenly spread.
--
-- A *long* bucket, one of LONG_FROM entries or more, has a string of its own (handles, 4 bytes each), and its id (6 bytes) stands in
-- the list of long buckets, which only grows until it is swept: the *generation* then changes.
-- Entries of a shard and of a long bucket are in ascending order of handles.
local FIRST_SHARDS, LONG_FROM, NEWEST_ARTICLES = K.FIRST_SHARDS, K.LONG_FROM, K.NEWEST_ARTICLES
local ENTRIES_PER_SHARD = 56
local MOST_SPLITS = 16
local CROWDED_BYTES = 4096 -- a shard of so many has a bucket in it that nobody asked for

-- To be read with HMGET; what they hold is given to layout_of.
local LAYOUT = {'shards', 'light', 'entries', 'longs', 'born', 'generation', 'floor', 'sweeping'}

local function layout_of(meta, first)
    local l = {shards = tonumber(meta[first]) or FIRST_SHARDS, light = tonumber(meta[first + 1]) or 0,
               entries = tonumber(meta[first + 2]) or 0, longs = tonumber(meta[first + 3]) or 0,
               number = tonumber(meta[first + 5]) or 0, floor = tonumber(meta[first + 6]) or 0,
               sweeping = meta[first + 7]}
    l.generation = (meta[first + 4] or '') .. '.' .. l.number
    l.power = FIRST_SHARDS
    while l.power * 2 <= l.shards do
        l.power = l.power * 2
    end
    return l
end

local function read_layout()
    return layout_of(call('HMGET', base .. K.META, unpack(LAYOUT)), 1)
end

local function write_layout(l)
    if l.entries == 0 and l.longs > 0 then
        -- All long buckets are empty: the list begins anew.
        call('UNLINK', base .. K.LONG_LIST, base .. K.LONG_LIST_NEXT)
        l.longs, l.number = 0, l.number + 1
    end
    call('HSET', base .. K.META, 'shards', l.shards, 'light', l.light, 'entries', l.entries,
         'longs', l.longs, 'generation', l.number)
end

-- Upper 12 bits of bucket number `at` (from 1, in bytes) of a packed list, and the lower 32.
local function bucket_at(packed, at)
    local rest, head = struct.unpack('<I4I2', packed, at)
    return rest, head
end

-- Formats, not `..`: see `numbered`.
local shard_format, long_format = base .. K.BUCKETS .. '%d', base .. K.LONG_BUCKETS .. '%d.%d'

local function shard_key(l, rest, head)
    local shard = (head + FIRST_SHARDS * (rest % 1048576)) % (l.power * 2)
    if shard >= l.shards then
        shard = shard - l.power
    end
    return format(shard_format, shard)
end

local function long_key(rest, head)
    return format(long_format, head, rest)
end

-- Where `wanted` stands in a packed list of items of so many bytes; nil when it does not.
local function find_item(packed, wanted, bytes)
    local at = string.find(packed, wanted, 1, true)
    while at and (at - 1) % bytes ~= 0 do
        at = string.find(packed, wanted, at + 1, true)
    end
    return at
end

local function without_item(packed, at, bytes)
    return sub(packed, 1, at - 1) .. sub(packed, at + bytes)
end

-- Put right what a reader knew of long buckets when it asked: of the buckets that it took for
-- light, those that have become long since. Returns both lists; nil when it is to look again.
local function placed(l, generation, known, light, long)
    if generation ~= l.generation or known > l.longs then
        return nil
    end
    if known < l.longs then
        local since = call('GETRANGE', base .. K.LONG_LIST, 6 * known, -1)
        for at = 1, #since, 6 do
            local bucket = sub(since, at, at + 5)
            local found = find_item(light, bucket, 6)
            if found then
                light, long = without_item(light, found, 6), long .. bucket
            end
        end
    end
    return light, long
end

-- An empty string is no key.
local function set_or_delete(key, value)
    if value == '' then
        call('DEL', key)
    else
        call('SET', key, value)
    end
end

local function make_long(l, rest, head)
    local key, field = shard_key(l, rest, head), struct.pack('<I4', rest)
    local value, moved, left = call('GET', key) or '', {}, {}
    for at = 1, #value, 8 do
        if sub(value, at, at + 3) == field then
            moved[#moved + 1] = sub(value, at + 4, at + 7)
        else
            left[#left + 1] = sub(value, at, at + 7)
        end
    end
    -- Two buckets of one shard with the same lower bits differ in none of the others.
    if #moved > 0 then
        call('SET', long_key(rest, head), table.concat(moved))
        set_or_delete(key, table.concat(left))
        call('APPEND', base .. K.LONG_LIST, field .. struct.pack('<I2', head))
        l.longs, l.light = l.longs + 1, l.light - #moved
    end
end

-- Make the buckets of a shard long that should have been for long.
local function make_crowd_long(l, key, head)
    local value, counts = call('GET', key), {}
    for at = 1, #value, 8 do
        local rest = struct.unpack('<I4', value, at)
        counts[rest] = (counts[rest] or 0) + 1
    end
    local found = {}
    for rest, count in pairs(counts) do
        if count >= LONG_FROM then
            found[#found + 1] = rest
        end
    end
    table.sort(found)
    for _, rest in ipairs(found) do
        make_long(l, rest, head)
    end
end

-- Move the entries of the shard next in turn that belong to the new shard: those with the one bit
-- more set by which it differs.
local function split_shard(l)
    local old = l.shards - l.power
    local key = format(shard_format, old)
    local value = call('GET', key)
    if value then
        local bit, place = l.power / FIRST_SHARDS, 0
        while bit >= 256 do
            bit, place = bit / 256, place + 1
        end
        local moved, left, double = {}, {}, 2 * bit
        for at = 1, #value, 8 do
            if byte(value, at + place) % double >= bit then
                moved[#moved + 1] = sub(value, at, at + 7)
            else
                left[#left + 1] = sub(value, at, at + 7)
            end
        end
        if #moved > 0 then
            call('SET', format(shard_format, l.shards), table.concat(moved))
        end
        -- Written anew even where nothing goes: that gives back the room that APPEND keeps.
        set_or_delete(key, table.concat(left))
    end
    l.shards = l.shards + 1
    if l.shards == l.power * 2 then
        l.power = l.shards
    end
end

-- No more than so many at a time: after many articles at once it catches up little by little.
local function split_shards(l)
    for _ = 1, MOST_SPLITS do
        if l.light <= l.shards * ENTRIES_PER_SHARD then
            break
        end
        split_shard(l)
    end
end

-- A long bucket has its first entry again while the list is swept: it may have been passed over.
local function refilled(l, rest, head)
    if l.sweeping then
        call('APPEND', base .. K.LONG_LIST_NEXT, struct.pack('<I4I2', rest, head))
    end
end

-- Add the newest handle to its buckets. `due`: those of the light ones that are to become long.
local function add_to_buckets(l, light, long, due, handle)
    local entry = pack_handle(handle)
    for at = 1, #long, 6 do
        local rest, head = bucket_at(long, at)
        if call('APPEND', long_key(rest, head), entry) == 4 then
            refilled(l, rest, head)
        end
    end
    local shards, power, double, crowded = l.shards, l.power, l.power * 2, nil
    for at = 1, #light, 6 do
        local rest, head = struct.unpack('<I4I2', light, at)
        local shard = (head + FIRST_SHARDS * (rest % 1048576)) % double
        if shard >= shards then
            shard = shard - power
        end
        local key = format(shard_format, shard)
        if call('APPEND', key, sub(light, at, at + 3) .. entry) > CROWDED_BYTES then
            crowded = crowded or {}
            crowded[key] = head
        end
    end
    l.light, l.entries = l.light + #light / 6, l.entries + (#light + #long) / 6
    for at = 1, #due, 6 do
        if find_item(light, sub(due, at, at + 5), 6) then
            make_long(l, bucket_at(due, at))
        end
    end
    if crowded then
        for key, head in pairs(crowded) do
            if call('EXISTS', key) == 1 then
                make_crowd_long(l, key, head)
            end
        end
    end
    split_shards(l)
end

-- Add a handle that is not the newest: entries stay in ascending order.
local function insert_into_buckets(l, light, long, handle)
    local function inserted(value, bytes, entry)
        local at = #value
        while at > 0 and handle_at(value, at - 4) > handle do
            at = at - bytes
        end
        return sub(value, 1, at) .. entry .. sub(value, at + 1)
    end
    local added = 0
    for at = 1, #light, 6 do
        local rest, head = bucket_at(light, at)
        local key, entry = shard_key(l, rest, head), sub(light, at, at + 3) .. pack_handle(handle)
        local value = call('GET', key) or ''
        if not find_item(value, entry, 8) then
            call('SET', key, inserted(value, 8, entry))
            added = added + 1
        end
    end
    l.light = l.light + added
    for at = 1, #long, 6 do
        local rest, head = bucket_at(long, at)
        local key = long_key(rest, head)
        local value = call('GET', key) or ''
        if not find_item(value, pack_handle(handle), 4) then
            call('SET', key, inserted(value, 4, pack_handle(handle)))
            added = added + 1
            if value == '' then
                refilled(l, rest, head)
            end
        end
    end
    l.entries = l.entries + added
    split_shards(l)
end

local function remove_from_buckets(l, light, long, handle)
    local removed = 0
    for at = 1, #light, 6 do
        local rest, head = bucket_at(light, at)
        local key = shard_key(l, rest, head)
        local value = call('GET', key) or ''
        local found = find_item(value, sub(light, at, at + 3) .. pack_handle(handle), 8)
        if found then
            set_or_delete(key, without_item(value, found, 8))
            removed = removed + 1
        end
    end
    l.light = l.light - removed
    for at = 1, #long, 6 do
        local rest, head = bucket_at(long, at)
        local key = long_key(rest, head)
        local value = call('GET', key) or ''
        local found = find_item(value, pack_handle(handle), 4)
        if found then
            set_or_delete(key, without_item(value, found, 4))
            removed = removed + 1
        end
    end
    l.entries = l.entries - removed
end

-- Buckets of the newest articles, by handle modulo so many: whoever writes one looks there for what
-- arrived since it read. Per article its handle, the wave that it came in (8 bytes) and its packed
-- buckets.
local NO_WAVE = string.rep('\0', 8)

local function note_buckets(handle, packed, wave)
    if packed == '' then
        call('HDEL', base .. K.NEWEST, handle % NEWEST_ARTICLES)
    else
        call('HSET', base .. K.NEWEST, handle % NEWEST_ARTICLES, pack_handle(handle) .. wave .. packed)
    end
end

-- Buckets and wave; nil for an article that has none, or is none of the newest.
local function noted_buckets(handle)
    local noted = call('HGET', base .. K.NEWEST, handle % NEWEST_ARTICLES)
    if noted and handle_at(noted, 0) == handle then
        return sub(noted, 13), sub(noted, 5, 12)
    end
end

local function forget_noted(handle)
    if noted_buckets(handle) then
        call('HDEL', base .. K.NEWEST, handle % NEWEST_ARTICLES)
    end
end

-- Whether a bucket has more than so many live entries.
local function has_more_than(l, limit, rest, head, is_long)
    if is_long then
        local value = call('GETRANGE', long_key(rest, head), -4 * (limit + 1), -1)
        return #value == 4 * (limit + 1) and handle_at(value, 0) > l.floor
    end
    local key = shard_key(l, rest, head)
    if call('STRLEN', key) <= 8 * limit then
        return false
    end
    local value, field, count = call('GET', key), struct.pack('<I4', rest), 0
    for at = 1, #value, 8 do
        if sub(value, at, at + 3) == field and handle_at(value, at + 3) > l.floor then
            count = count + 1
        end
    end
    return count > limit
end
