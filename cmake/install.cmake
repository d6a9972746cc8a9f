# cmake --install: the program, the bundle that comes with it, papers, the example configuration and the systemd unit.
include(GNUInstallDirs)
if(NOT TARGET glionode)
  return()
endif()
install(TARGETS glionode RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY models/ DESTINATION ${CMAKE_INSTALL_DATADIR}/glionode/models)
install(FILES config/glionode.example.toml docker/glionode.rules.yml DESTINATION ${CMAKE_INSTALL_DATADIR}/glionode)
install(FILES README.md CHANGELOG.md SECURITY.md LICENSE server/web/vendor/LICENSES.txt DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
# At the time of installing: the unit names the program where `cmake --install --prefix` puts it.
install(CODE "
  get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
  set(CMAKE_INSTALL_FULL_BINDIR \"\${prefix}/${CMAKE_INSTALL_BINDIR}\")
  set(CMAKE_INSTALL_FULL_DOCDIR \"\${prefix}/${CMAKE_INSTALL_DOCDIR}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/packaging/glionode.service.in\" \"${PROJECT_BINARY_DIR}/glionode.service\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/glionode.service DESTINATION lib/systemd/system)
find_package(Python3 COMPONENTS Interpreter)
find_program(DPKG_QUERY dpkg-query)
if(Python3_FOUND AND DPKG_QUERY)
  # The exact versions that this build was linked with. With the program: `./run build` builds nothing else, and an
  # installation without this list would end half-way.
  add_custom_target(glionode_sbom BYPRODUCTS ${PROJECT_BINARY_DIR}/glionode.cdx.json
    COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/packaging/make_sbom.py --json ${PROJECT_BINARY_DIR}/glionode.cdx.json
    VERBATIM)
  add_dependencies(glionode glionode_sbom)
  install(FILES ${PROJECT_BINARY_DIR}/glionode.cdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
install(FILES packaging/glionode.sysusers RENAME glionode.conf DESTINATION lib/sysusers.d)
