"""A database of the first version, brought up to date, is the same as one made anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from trunkline.store.migrate import known, migrate

# The schema before the first migration. It never changes: there are databases that look like this.
FIRST = Path(__file__).with_name("schema_0000.sql")

_CATALOGUE = {
    "relations": "SELECT c.oid::regclass::text, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity,"
    " c.relforcerowsecurity, pg_get_partkeydef(c.oid) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
    " AND NOT c.relispartition AND c.relkind NOT IN ('i', 'I', 'S')",
    "columns": "SELECT a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
    " a.attidentity, a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid)"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid"
    " AND d.adnum = a.attnum WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
    " AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'S')",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(k.oid) FROM pg_constraint k"
    " JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition",
    "indexes": "SELECT i.tablename, i.indexname, i.indexdef FROM pg_indexes i JOIN pg_class c"
    " ON c.relname = i.tablename AND c.relnamespace = 'public'::regnamespace"
    " WHERE i.schemaname = 'public' AND NOT c.relispartition",
    "functions": "SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace",
    "triggers": "SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE NOT t.tgisinternal",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies",
    "grants": "SELECT c.oid::regclass::text, a.grantee::regrole::text, a.privilege_type FROM pg_class c,"
    " aclexplode(c.relacl) a WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
    " AND a.grantee <> c.relowner",
}


async def _look(dsn: str) -> dict[str, list[str]]:
    conn = await asyncpg.connect(dsn)
    try:
        return {what: sorted(str(tuple(row)) for row in await conn.fetch(query)) for what, query in _CATALOGUE.items()}
    finally:
        await conn.close()


def test_migrated_equals_made_anew(database: str) -> None:
    async def main() -> None:
        anew = await _look(database)
        assert all(anew[what] for what in ("relations", "columns", "constraints", "indexes", "functions", "triggers"))
        conn = await asyncpg.connect(database)
        try:
            await conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            await conn.execute(FIRST.read_text("utf-8"))
        finally:
            await conn.close()
        assert await migrate(database) == list(known())
        migrated = await _look(database)
        for what, found in anew.items():
            assert migrated[what] == found, what

    asyncio.run(main())
