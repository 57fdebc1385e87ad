def "nu-complete vmux session" [context: string] {
  let words = ($context | split row --regex '\s+')
  let answer = (try { ^vmux complete nushell ...$words | lines } catch { [] })
  $answer | skip | each {|line|
    let parts = ($line | split row "\t")
    let name = $parts.0
    {
      value: (if $name =~ '^[\w./-]+$' { $name } else { $name | to json --raw })
      description: ($parts | skip | str join " ")
    }
  }
}

