-- Buckets: in which articles are. See buckets.py, which reads them and tells scripts where each one
-- is, and why they are laid out so.
--
-- Buckets whose ids differ in the lowest 8 bits only, the *slot*, are a *group*. Its name has 36
-- bits: a *head*, the lowest 12, and the *rest*; the uppermost bit is set in groups of text buckets,
-- which have one slot, 0. An article is written down once in a group:
--
--     handle (4 bytes), and unless it is a text group: number of slots (1 byte), slots (1 byte each)
--
-- A *light* group, one of few articles, shares a *shard* with others: a string of such entries, with
-- the rest of the group's name (3 bytes) behind each handle, written by APPEND. Shards are a linear
-- hash table (Litwin 1980) that keeps about BYTES_PER_SHARD in each. Shard of a group: its name
-- modulo 2 * power, minus power where that shard is not there yet, power being the largest power of
-- two that does not exceed the number of shards.
--
-- A *long* group, one of LONG_FROM articles or more, has a string of its own. A *spread* one, whose
-- string had more than SPREAD_FROM_BYTES, has a string for each of its buckets: handles, 4 bytes
-- each. Both stand in the list of long groups (head in 2 bytes, rest, kind in 1), which only grows
-- until it is swept: the *generation* then changes. In all strings handles ascend.
--
-- Callers tell groups as *items*: head, rest, number of slots (0 of a text group), slots.
local FIRST_SHARDS, LONG_FROM, NEWEST_ARTICLES = K.FIRST_SHARDS, K.LONG_FROM, K.NEWEST_ARTICLES
local BYTES_PER_SHARD = K.BYTES_PER_SHARD
local SPREAD_FROM_BYTES = K.SPREAD_FROM_BYTES
local SLOTS = 256
local MOST_SPLITS = 16
local CROWDED_BYTES = 8192 -- a shard of so many has a group in it that nobody asked for
local LONG, SPREAD = 1, 2

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
        -- All long groups are empty: the list begins anew.
        call('UNLINK', base .. K.LONG_LIST, base .. K.LONG_LIST_NEXT)
        l.longs, l.number = 0, l.number + 1
    end
    call('HSET', base .. K.META, 'shards', l.shards, 'light', l.light, 'entries', l.entries,
         'longs', l.longs, 'generation', l.number)
end

-- Formats, not `..`: see `numbered`.
local shard_format, long_format = base .. K.BUCKETS .. '%d', base .. K.LONG_BUCKETS .. '%d.%d'
local spread_format = long_format .. '.%d'

-- Of the name of a group (head and rest, 5 bytes, which begin at `at`): the lower 16 and the upper 8
-- bits of its rest, its head, whether it is one of text buckets.
local function name_at(packed, at)
    local head, low, high = struct.unpack('<I2I2B', packed, at)
    return low, high, head, high >= 128
end

local function pack_name(low, high, head)
    return struct.pack('<I2I2B', head, low, high)
end

local function shard_key(l, low, head)
    local shard = (head + FIRST_SHARDS * low) % (l.power * 2) -- there are fewer than 2^28
    if shard >= l.shards then
        shard = shard - l.power
    end
    return format(shard_format, shard)
end

local function long_key(low, high, head)
    return format(long_format, head, low + 65536 * high)
end

-- Slot, rest in two parts, head of a bucket's id as it is packed (6 bytes).
local function id_at(packed, at)
    local slot, b1, b2, b3, b4, b5 = byte(packed, at, at + 5)
    return slot, floor(b2 / 16) + 16 * b3 + 4096 * (b4 % 16), floor(b4 / 16) + 16 * b5,
           b1 + 256 * (b2 % 16)
end

local function spread_key(packed, at)
    local slot, low, high, head = id_at(packed, at)
    return format(spread_format, head, low + 65536 * high, slot)
end

-- Walking over entries: where the next one begins, and in how many buckets this one's article is.
local function after_in_shard(value, at)
    if byte(value, at + 6) >= 128 then
        return at + 7, 1
    end
    local slots = byte(value, at + 7)
    return at + 8 + slots, slots
end

local function after_with_slots(value, at)
    local slots = byte(value, at + 4)
    return at + 5 + slots, slots
end

local function after_handle(_, at)
    return at + 4, 1
end

local function walk_of_long(is_text)
    return is_text and after_handle or after_with_slots
end

-- Where an entry stands among others; nil when it does not.
local function find_entry(value, entry, after)
    local at, found = 1, string.find(value, entry, 1, true)
    while found do
        while at < found do
            at = after(value, at)
        end
        if at == found then
            return at
        end
        found = string.find(value, entry, at, true)
    end
end

local function without_entry(value, at, entry)
    return sub(value, 1, at - 1) .. sub(value, at + #entry)
end

-- With an entry whose handle is not the newest.
local function with_entry(value, entry, handle, after)
    local at = 1
    while at <= #value and handle_at(value, at - 1) < handle do
        at = after(value, at)
    end
    return sub(value, 1, at - 1) .. entry .. sub(value, at)
end

-- What follows the handle in an entry of an item's group: nothing in a text group. Where the next
-- item begins. How many buckets the item is about.
local function slots_at(items, at)
    local last = at + 5 + byte(items, at + 5)
    if byte(items, at + 4) >= 128 then
        return '', last + 1, 1
    end
    return sub(items, at + 5, last), last + 1, last - at - 5
end

-- Put right what a reader knew of long groups when it asked: of those that it took for light or
-- long, those that have become long or spread since. Returns the three lists; nil when it is to look
-- again.
local function placed(l, generation, known, light, long, spread)
    if generation ~= l.generation or known > l.longs then
        return nil
    end
    if known < l.longs then
        local kinds, concerned = {}, false
        local since = call('GETRANGE', base .. K.LONG_LIST, 6 * known, -1)
        for at = 1, #since, 6 do
            local name = sub(since, at, at + 4)
            kinds[name] = math.max(kinds[name] or 0, byte(since, at + 5))
            -- These bytes may stand there by chance, too: that costs nothing but time.
            concerned = concerned or string.find(light, name, 1, true)
                        or string.find(long, name, 1, true)
        end
        if not concerned then
            return light, long, spread
        end
        local lights, longs, spreads = {}, {}, {spread}
        for kind, items in ipairs({light, long}) do
            local at = 1
            while at <= #items do
                local name, _, following = sub(items, at, at + 4), slots_at(items, at)
                local now = math.max(kinds[name] or 0, kind - 1)
                if now == SPREAD then
                    local low, high, head = name_at(name, 1)
                    for slot_at = at + 6, following - 1 do
                        -- Backwards what id_at does.
                        spreads[#spreads + 1] = char(byte(items, slot_at), head % 256,
                            floor(head / 256) + 16 * (low % 16), floor(low / 16) % 256,
                            floor(low / 4096) + 16 * (high % 16), floor(high / 16))
                    end
                else
                    local list = now == LONG and longs or lights
                    list[#list + 1] = sub(items, at, following - 1)
                end
                at = following
            end
        end
        light, long, spread = table.concat(lights), table.concat(longs), table.concat(spreads)
    end
    return light, long, spread
end

-- An empty string is no key.
local function set_or_delete(key, value)
    if value == '' then
        call('DEL', key)
    else
        call('SET', key, value)
    end
end

local function list_group(l, name, kind)
    call('APPEND', base .. K.LONG_LIST, name .. char(kind))
    l.longs = l.longs + 1
end

-- Give the buckets of a long group a string each.
local function make_spread(l, name)
    local low, high, head = name_at(name, 1)
    local key, parts = long_key(low, high, head), {}
    local value, at = call('GET', key), 1
    while at <= #value do
        local handle, slots = sub(value, at, at + 3), byte(value, at + 4)
        for slot_at = at + 5, at + 4 + slots do
            local slot = byte(value, slot_at)
            local part = parts[slot] or {}
            parts[slot] = part
            part[#part + 1] = handle
        end
        at = at + 5 + slots
    end
    for slot = 0, SLOTS - 1 do
        if parts[slot] then
            call('SET', format(spread_format, head, low + 65536 * high, slot),
                 table.concat(parts[slot]))
        end
    end
    call('DEL', key)
    list_group(l, name, SPREAD)
end

-- Give a light group a string of its own.
local function make_long(l, name)
    local low, high, head = name_at(name, 1)
    local key, rest = shard_key(l, low, head), sub(name, 3, 5)
    local value, moved, left, at, bytes = call('GET', key) or '', {}, {}, 1, 0
    while at <= #value do
        local following = after_in_shard(value, at)
        if sub(value, at + 4, at + 6) == rest then
            moved[#moved + 1] = sub(value, at, at + 3) .. sub(value, at + 7, following - 1)
            bytes = bytes + following - at
        else
            left[#left + 1] = sub(value, at, following - 1)
        end
        at = following
    end
    -- Two groups of one shard whose rests are equal differ in none of the other bits.
    if #moved > 0 then
        call('SET', long_key(low, high, head), table.concat(moved))
        set_or_delete(key, table.concat(left))
        l.light = l.light - bytes
        list_group(l, name, LONG)
    end
end

-- Make the groups of a shard long that should have been for long. `head`: two bytes.
local function make_crowd_long(l, key, head)
    local value, counts, at = call('GET', key), {}, 1
    while at <= #value do
        local rest = sub(value, at + 4, at + 6)
        counts[rest] = (counts[rest] or 0) + 1
        at = after_in_shard(value, at)
    end
    local found = {}
    for rest, count in pairs(counts) do
        if count >= LONG_FROM then
            found[#found + 1] = rest
        end
    end
    table.sort(found)
    for _, rest in ipairs(found) do
        make_long(l, head .. rest)
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
        -- Entry by entry, and run by run of those that stay together: every second shard of an
        -- article is followed by a split.
        local moved, left, double, at, size = {}, {}, 2 * bit, 1, #value
        local run, goes = 1, nil -- where the run begins, and whether it goes to the new shard
        while at <= size do
            local low, middle, high, slots = byte(value, at + 4, at + 7)
            local bits = place == 0 and low or place == 1 and middle or high
            local moves = bits % double >= bit
            if moves ~= goes then
                if at > run then
                    local list = goes and moved or left
                    list[#list + 1] = sub(value, run, at - 1)
                end
                run, goes = at, moves
            end
            at = at + 7
            if high < 128 then
                at = at + 1 + slots
            end
        end
        local list = goes and moved or left
        list[#list + 1] = sub(value, run)
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
        if l.light <= l.shards * BYTES_PER_SHARD then
            break
        end
        split_shard(l)
    end
end

-- A group has its first entry again while the list is swept: it may have been passed over.
local function refilled(l, name, kind)
    if l.sweeping then
        call('APPEND', base .. K.LONG_LIST_NEXT, name .. char(kind))
    end
end

local function refilled_bucket(l, packed, at)
    local _, low, high, head = id_at(packed, at)
    refilled(l, pack_name(low, high, head), SPREAD)
end

-- Add the newest handle to its buckets. `due`: items of light groups that are to become long.
local function add_to_buckets(l, light, long, spread, due, handle)
    local packed_handle = pack_handle(handle)
    local entries, bytes = #spread / 6, 0
    for at = 1, #spread, 6 do
        if call('APPEND', spread_key(spread, at), packed_handle) == 4 then
            refilled_bucket(l, spread, at)
        end
    end
    local at, grown = 1, nil
    while at <= #long do
        local low, high, head, is_text = name_at(long, at)
        local slots, following, buckets = slots_at(long, at)
        local size = call('APPEND', long_key(low, high, head), packed_handle .. slots)
        if size == 4 + #slots then
            refilled(l, sub(long, at, at + 4), LONG)
        elseif size > SPREAD_FROM_BYTES and not is_text then
            grown = grown or {}
            grown[#grown + 1] = sub(long, at, at + 4)
        end
        entries, at = entries + buckets, following
    end
    local shards, power, double, crowded = l.shards, l.power, l.power * 2, nil
    at = 1
    while at <= #light do
        local head, low, high, count = struct.unpack('<I2I2BB', light, at)
        local shard = (head + FIRST_SHARDS * low) % double
        if shard >= shards then
            shard = shard - power
        end
        local key, last, buckets = format(shard_format, shard), at + 4, 1
        if high < 128 then
            last, buckets = at + 5 + count, count
        end
        if call('APPEND', key, packed_handle .. sub(light, at + 2, last)) > CROWDED_BYTES then
            crowded = crowded or {}
            crowded[key] = sub(light, at, at + 1)
        end
        bytes, entries = bytes + 3 + last - at, entries + buckets
        at = at + 6 + count
    end
    l.light, l.entries = l.light + bytes, l.entries + entries
    for _, name in ipairs(grown or {}) do
        make_spread(l, name)
    end
    at = 1
    while at <= #due do
        local _, following = slots_at(due, at)
        if string.find(light, sub(due, at, at + 4), 1, true) then
            make_long(l, sub(due, at, at + 4))
        end
        at = following
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

-- Call `change` for each string that an article's entries are in, with its key, the article's entry,
-- how to walk over it, how many buckets the entry is about, and for strings that are no shards what
-- `refilled` wants.
local function each_entry(l, light, long, spread, handle, change)
    local packed_handle, at = pack_handle(handle), 1
    while at <= #light do
        local low, _, head = name_at(light, at)
        local slots, following, buckets = slots_at(light, at)
        change(shard_key(l, low, head), packed_handle .. sub(light, at + 2, at + 4) .. slots,
               after_in_shard, buckets)
        at = following
    end
    at = 1
    while at <= #long do
        local low, high, head, is_text = name_at(long, at)
        local slots, following, buckets = slots_at(long, at)
        change(long_key(low, high, head), packed_handle .. slots, walk_of_long(is_text), buckets,
               sub(long, at, at + 4), LONG)
        at = following
    end
    for id_begin = 1, #spread, 6 do
        local _, low, high, head = id_at(spread, id_begin)
        change(spread_key(spread, id_begin), packed_handle, after_handle, 1,
               pack_name(low, high, head), SPREAD)
    end
end

-- Add a handle that is not the newest: entries stay in ascending order.
local function insert_into_buckets(l, light, long, spread, handle)
    each_entry(l, light, long, spread, handle,
               function(key, entry, after, buckets, name, kind)
        local value = call('GET', key) or ''
        if not find_entry(value, entry, after) then
            call('SET', key, with_entry(value, entry, handle, after))
            l.entries = l.entries + buckets
            if not kind then
                l.light = l.light + #entry
            elseif value == '' then
                refilled(l, name, kind)
            end
        end
    end)
    split_shards(l)
end

local function remove_from_buckets(l, light, long, spread, handle)
    each_entry(l, light, long, spread, handle, function(key, entry, after, buckets, _, kind)
        local value = call('GET', key) or ''
        local found = find_entry(value, entry, after)
        if found then
            set_or_delete(key, without_entry(value, found, entry))
            l.entries = l.entries - buckets
            if not kind then
                l.light = l.light - #entry
            end
        end
    end)
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

-- What kind of group a bucket is of: `long` and `spread` are what `placed` gave.
local function kind_of_bucket(long, spread, bucket)
    local found = string.find(spread, bucket, 1, true)
    while found and (found - 1) % 6 ~= 0 do
        found = string.find(spread, bucket, found + 1, true)
    end
    if found then
        return SPREAD
    end
    local _, low, high, head = id_at(bucket, 1)
    local name, at = pack_name(low, high, head), 1
    while at <= #long do
        if sub(long, at, at + 4) == name then
            return LONG
        end
        local _, following = slots_at(long, at)
        at = following
    end
end

-- Whether a bucket (its packed id) has more than so many live entries.
local function has_more_than(l, limit, bucket, kind)
    if kind == SPREAD then
        local value = call('GETRANGE', spread_key(bucket, 1), -4 * (limit + 1), -1)
        return #value == 4 * (limit + 1) and handle_at(value, 0) > l.floor
    end
    local slot, low, high, head = id_at(bucket, 1)
    local key = kind == LONG and long_key(low, high, head) or shard_key(l, low, head)
    if call('STRLEN', key) <= 4 * limit then
        return false
    end
    local value, at, count = call('GET', key), 1, 0
    local is_text = high >= 128
    local after, name_end = walk_of_long(is_text), at + 3
    if kind ~= LONG then
        after, name_end = after_in_shard, at + 6
    end
    local rest, slot_char = sub(struct.pack('<I2B', low, high), 1, name_end - 4), char(slot)
    while at <= #value do
        local following = after(value, at)
        if sub(value, at + 4, name_end) == rest
           and (is_text or string.find(sub(value, name_end + 2, following - 1), slot_char, 1, true))
           and handle_at(value, at - 1) > l.floor then
            count = count + 1
            if count > limit then
                return true
            end
        end
        at, name_end = following, name_end + following - at
    end
    return false
end
