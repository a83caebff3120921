# Reads one invoice and writes it as JSON. An invoice that is incomplete, or does not add up, is refused with the reason:
# a wrong number is worse than none.

/^Invoice:/ { number = field() }
/^From:/    { supplier = field() }
/^Date:/    { date = field() }
/^Total:/   { total = field() }
/^ *[0-9]+ x / { sum += $1 * $NF; items++ }

END {
    if (number == "" || supplier == "" || total == "") refuse("it is no invoice: number, supplier or total is missing")
    if (sprintf("%.2f", sum) != sprintf("%.2f", total))
        refuse(sprintf("%s does not add up: the items make %.2f, the total says %.2f", number, sum, total))
    printf "{\"number\": \"%s\", \"supplier\": \"%s\", \"date\": \"%s\", \"items\": %d, \"cents\": %d}\n",
        number, supplier, date, items, sprintf("%.0f", total * 100)
}

function field() { sub(/^[A-Za-z]+: */, ""); return $0 }

function refuse(why) { print why > "/dev/stderr"; exit 1 }
