-- A bank as the first release left it: four revisions, two keys, two episodes.

insert into skillbank.bank (id, name, revision, skill_count) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'old', '4', '5');

insert into skillbank.version (bank_id, skill_id, version, title, principle, when_to_apply, kind, category, provenance, digest, created_revision) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '1', 'Check the counter', 'Look on the counter first.', 'Something must be found.', 'general', null, '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', '2ae4bedf556ee9d9f74b1aea91e0a3774227cf7b6ab2b869766ae31474d50b74', '1'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '2', 'Check every counter', 'Look on every counter first.', 'Something must be found.', 'general', null, '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', '45b7439ab7735208f38e3d1786ef9a64ca2af0e9321fdf9c0a45a038c772e019', '2'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0001-8ab4-a474-c945810995af', '1', 'Cool the tomato', 'Open the fridge, put it in, take it out.', 'Something must be cold: «très froid».', 'task', 'cool', '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', '0e642e1316519a91c4846eeb2ee074bd1c8b54b81f879ad8d743c494bdf6bf6f', '1'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0002-8eef-8b4c-bfc7a9ec9227', '1', 'Do not freeze it', 'Keep it out of the freezer.', 'Something must be cool.', 'mistake', 'cool', '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', 'f266156cb8ac1f7c26e0f1f71f7a9ce38e00cf146e1136b930cff3e4ccfbea24', '1'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0003-8bbb-bb7a-eef87e7a8517', '1', 'Don''t rush; say ''why''', 'Think 100% first.', 'always', 'general', null, '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', 'c79e4a4f3a345026d412a8091574fcae9d50e1bf21914ab47e5db1009fa8c256', '2'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0004-8cca-aaa6-1775f3ebeacc', '1', 'Cool, do not freeze', 'Use the fridge.', 'Something must be cold.', 'task', 'cool', '{"cost": 0.25, "schema": "Provenance", "source": "distilled", "teacher": "a-teacher", "citations": [{"steps": [0, 4], "trajectory_id": "run-1/episode-3"}], "prompt_hash": null, "schema_version": 1}', 'aa1b54ddf49b88145946102b4faa70fa5d0b98e466e10335c00f4fca359a0e75', '3');

insert into skillbank.status (bank_id, skill_id, version, status, status_reason, from_revision, to_revision) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '1', 'active', null, '1', '2'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '1', 'retired', 'superseded by version 2', '2', '9223372036854775807'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '2', 'active', null, '2', '9223372036854775807'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0001-8ab4-a474-c945810995af', '1', 'active', null, '1', '9223372036854775807'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0002-8eef-8b4c-bfc7a9ec9227', '1', 'active', null, '1', '9223372036854775807'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0003-8bbb-bb7a-eef87e7a8517', '1', 'active', null, '2', '4'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0003-8bbb-bb7a-eef87e7a8517', '1', 'retired', 'it harms', '4', '9223372036854775807'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0004-8cca-aaa6-1775f3ebeacc', '1', 'candidate', null, '3', '9223372036854775807');

insert into skillbank.change (bank_id, revision, place, action, skill_id, version, reason, citations) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '1', '0', 'add', '00000000-0000-8f91-a422-1ea9f05f8706', '1', 'added', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '1', '1', 'add', '00000000-0001-8ab4-a474-c945810995af', '1', 'added', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '1', '2', 'add', '00000000-0002-8eef-8b4c-bfc7a9ec9227', '1', 'added', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '2', '0', 'revise', '00000000-0000-8f91-a422-1ea9f05f8706', '2', 'too vague', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '2', '1', 'add', '00000000-0003-8bbb-bb7a-eef87e7a8517', '1', 'seen to help', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '3', '0', 'merge', '00000000-0004-8cca-aaa6-1775f3ebeacc', '1', 'they say the same', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '4', '0', 'retire', '00000000-0003-8bbb-bb7a-eef87e7a8517', '1', 'it harms', '[{"steps": [0, 4], "schema": "Citation", "trajectory_id": "run-1/episode-3", "schema_version": 1}]');

insert into skillbank.lineage (bank_id, child_id, child_version, parent_id, parent_version) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0000-8f91-a422-1ea9f05f8706', '2', '00000000-0000-8f91-a422-1ea9f05f8706', '1'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0004-8cca-aaa6-1775f3ebeacc', '1', '00000000-0001-8ab4-a474-c945810995af', '1'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', '00000000-0004-8cca-aaa6-1775f3ebeacc', '1', '00000000-0002-8eef-8b4c-bfc7a9ec9227', '1');

insert into skillbank.outcome (bank_id, key, outcome) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'batch-1', '{"schema": "Outcome", "accepted": [[0, {"version": 1, "skill_id": "00000000-0000-8f91-a422-1ea9f05f8706"}], [1, {"version": 1, "skill_id": "00000000-0001-8ab4-a474-c945810995af"}], [2, {"version": 1, "skill_id": "00000000-0002-8eef-8b4c-bfc7a9ec9227"}]], "rejected": [], "revision": 1, "operation": "add", "schema_version": 1}'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'evolve-1', '{"schema": "Outcome", "accepted": [[0, {"version": 2, "skill_id": "00000000-0000-8f91-a422-1ea9f05f8706"}], [1, {"version": 1, "skill_id": "00000000-0003-8bbb-bb7a-eef87e7a8517"}]], "rejected": [[2, "reason must not be empty, got ''''"]], "revision": 2, "operation": "apply", "schema_version": 1}');

insert into skillbank.episode (bank_id, episode_id, group_id, success, reward, bank_revision, retrieval) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'e1', 'g1', 'true', '1', '1', '{"mode": "text"}'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'e2', 'g1', 'false', '0', '1', '{"mode": "text"}');

insert into skillbank.exposure (bank_id, episode_id, skill_id, version, shown, propensity, corrupted) values
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'e1', '00000000-0000-8f91-a422-1ea9f05f8706', '1', 'true', '0.5', 'false'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'e1', '00000000-0001-8ab4-a474-c945810995af', '1', 'false', '0.5', 'false'),
    ('4963c4f9-287b-4727-a4c0-d55d065776c1', 'e2', '00000000-0000-8f91-a422-1ea9f05f8706', '2', 'true', '0.5', 'false');
