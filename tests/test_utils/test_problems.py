from mmsoco.utils.problems import Outcome, Problems, table


def test_names_do_not_break_a_table_or_the_terminal():
    names = ['a\nb', 'c\x1b[31md', 'e\u202ef', '\u732b']
    text = table(('name', 'n'), [(name, 1) for name in names])
    lines = text.splitlines()
    assert len(lines) == len(names) + 1
    assert all(line.isprintable() for line in lines)
    assert '\u732b' in lines[-1] and r'a\nb' in lines[1]


def test_examples_of_problems_stay_in_their_line():
    problems = Problems()
    problems.add(Outcome.LOST, 'not a picture', 'new\nline.jpg')
    assert len(str(problems).splitlines()) == 2
