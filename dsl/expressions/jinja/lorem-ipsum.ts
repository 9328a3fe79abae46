const WORDS =
  'a ac accumsan ad aenean aliquam amet ante aptent arcu at auctor bibendum commodo condimentum congue consectetuer convallis cras cubilia curae cursus dapibus diam dictum dignissim dis dolor donec dui duis egestas eget eleifend elit enim erat eros est et etiam eu euismod facilisi fames faucibus felis fermentum feugiat fringilla fusce gravida habitant hendrerit iaculis id imperdiet in inceptos integer interdum ipsum justo lacinia lacus laoreet lectus leo libero ligula lobortis lorem luctus maecenas magna malesuada massa mattis mauris metus mi mollis montes morbi nam natoque nec neque netus nibh nisi nisl non nonummy nulla nunc odio orci ornare parturient pede pellentesque pharetra placerat platea porta porttitor posuere potenti pretium primis proin pulvinar purus quam quis rhoncus ridiculus risus rutrum sagittis sapien scelerisque sed sem semper senectus sit sociis sodales sollicitudin suscipit suspendisse taciti tellus tempor tempus tincidunt torquent tortor tristique turpis ullamcorper ultrices urna ut varius vehicula vel velit venenatis vestibulum vitae vivamus viverra volutpat vulputate'.split(
    ' ',
  );

export interface LoremOptions {
  readonly paragraphs: number;
  readonly isHtml: boolean;
  /** Words of a paragraph: at least `least`, fewer than `most`. */
  readonly least: number;
  readonly most: number;
}

/** Random filler text: sentences of made-up Latin. */
export function loremIpsum(options: LoremOptions): string {
  const paragraphs = Array.from({ length: Math.max(0, options.paragraphs) }, () => paragraph(options));
  return options.isHtml ? paragraphs.map((text) => `<p>${text}</p>`).join('\n') : paragraphs.join('\n\n');
}

function paragraph({ least, most }: LoremOptions): string {
  const count = Math.max(1, least + Math.floor(Math.random() * Math.max(1, most - least)));
  let startsSentence = true;
  const words = Array.from({ length: count }, (_, i) => {
    const word = WORDS[Math.floor(Math.random() * WORDS.length)] ?? '';
    const shown = startsSentence ? word.charAt(0).toUpperCase() + word.slice(1) : word;
    startsSentence = i === count - 1 || Math.random() < 0.1;
    if (startsSentence) return `${shown}.`;
    return Math.random() < 0.1 ? `${shown},` : shown;
  });
  return words.join(' ');
}
